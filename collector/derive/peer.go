package derive

import "github.com/waybill-dev/waybill/collector/wire"

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
	keys []attribute
	// These say of what kind the far end is. The older of the two names of
	// a database's is the beginning of the newer one.
	database, oldDatabase, queue attribute
}

func newPeers(keys []string) peers {
	return peers{
		keys:     newAttributes(keys),
		database: newAttribute("db.system.name"), oldDatabase: newAttribute("db.system"), queue: newAttribute("messaging.system"),
	}
}

// of names the far end of a span by the first of the keys that it has.
func (p *peers) of(span *wire.Span) peer {
	found := peer{kind: virtual}
	var databaseName, oldName, queueName []byte
	if p.oldDatabase.mayBeIn(span) {
		if databaseName = p.database.text(span); len(databaseName) == 0 {
			oldName = p.oldDatabase.text(span)
		}
	}
	if len(databaseName) > 0 || len(oldName) > 0 {
		found.kind = database
	} else if queueName = p.queue.text(span); len(queueName) > 0 {
		found.kind = message
	}
	for i := range p.keys {
		switch key := &p.keys[i]; {
		case key.key == p.database.key:
			found.name = databaseName
		case key.key == p.oldDatabase.key && len(databaseName) == 0:
			found.name = oldName
		case key.key == p.queue.key && found.kind != database:
			found.name = queueName
		default:
			found.name = key.text(span)
		}
		if len(found.name) > 0 {
			break
		}
	}
	found.name = cut(found.name)
	return found
}
