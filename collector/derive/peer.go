package derive

import "slices"

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

// user is who calls a service without having a span.
const user = "user"

// peer is what a span tells about the far end of its request.
type peer struct {
	name []byte // empty: nothing
	kind connection
}

// peers reads the far end's name from attributes.
type peers struct {
	*finder
	names int // the first so many of the finder's keys
	// These say of what kind the far end is.
	database, oldDatabase, queue int
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
	p.finder = newFinder(keys)
	return p
}

// of names the far end of a span by the first of the keys that it has.
func (p *peers) of(v *view) peer {
	p.look(v.attributes, attributeTag)
	found := peer{kind: virtual}
	switch {
	case len(p.text(p.database)) > 0, len(p.text(p.oldDatabase)) > 0:
		found.kind = database
	case len(p.text(p.queue)) > 0:
		found.kind = message
	}
	for i := range p.names {
		if found.name = p.text(i); len(found.name) > 0 {
			break
		}
	}
	found.name = cut(found.name)
	return found
}
