package derive

import (
	"slices"

	"github.com/waybill-dev/waybill/collector/wire"
)

// connection is how two ends talk, and so what the far one is.
type connection uint8

// The values of the label connection_type.
const (
	call connection = iota
	message
	database
	virtual
	connections = int(virtual) + 1
)

func (c connection) label() string {
	return [connections]string{"", "messaging_system", "database", "virtual_node"}[c]
}

// peer is what a span tells about the far end of its request.
type peer struct {
	name []byte // empty: nothing
	kind connection
}

// peers reads the far end's name from attributes.
type peers struct {
	*wire.Finder
	names int // the first so many of the finder's keys
	// These say of what kind the far end is.
	database, oldDatabase, queue int
	// These are the parts of a database's name, and what there is in its place
	// where one server has it.
	namespace, oldNamespace, address, oldAddress int

	joined []byte // used again for each name of two parts
}

func newPeers(keys []string) peers {
	p := peers{names: len(keys)}
	index := func(key string) int {
		if at := slices.Index(keys, key); at >= 0 {
			return at
		}
		keys = append(slices.Clip(keys), key)
		return len(keys) - 1
	}
	p.database, p.oldDatabase, p.queue = index("db.system.name"), index("db.system"), index("messaging.system")
	p.namespace, p.oldNamespace, p.address, p.oldAddress = index("db.namespace"), index("db.name"), index("server.address"), index("net.peer.name")
	p.Finder = wire.NewFinder(keys)
	return p
}

// of names the far end of a span by the first of the keys that it has. The name
// is valid until the next call.
func (p *peers) of(s *wire.Span) peer {
	found := peer{kind: virtual}
	if p.Find(s.Attributes) == 0 {
		return found
	}
	switch {
	case len(p.Text(p.database)) > 0, len(p.Text(p.oldDatabase)) > 0:
		found.kind = database
	case len(p.Text(p.queue)) > 0:
		found.kind = message
	}
	for i := range p.names {
		if found.name = p.Text(i); len(found.name) > 0 {
			if i == p.database || i == p.oldDatabase {
				found.name = p.embedded(found.name)
			}
			break
		}
	}
	found.name = cut(found.name)
	return found
}

// embedded adds the namespace to the name of a database that has no address:
// each process has its own, and all SQLite databases would be one node.
func (p *peers) embedded(system []byte) []byte {
	namespace := p.Text(p.namespace)
	if len(namespace) == 0 {
		namespace = p.Text(p.oldNamespace)
	}
	if len(namespace) == 0 || len(p.Text(p.address)) > 0 || len(p.Text(p.oldAddress)) > 0 {
		return system
	}
	p.joined = append(append(append(p.joined[:0], system...), '/'), namespace...)
	return p.joined
}
