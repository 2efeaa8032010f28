package index

import (
	"cmp"
	"slices"
)

// Bounds on distinct names: telemetry with a fresh operation name per request
// must not fill the memory. What is beyond them is filed under these names.
const (
	maxServices     = 10_000
	maxOperations   = 100_000
	otherServices   = "(other services)"
	otherOperations = "(other operations)"
	maxNameBytes    = 512
)

// Operation is one kind of work of a service.
type Operation struct {
	Service, Name string
	Kind          Kind
}

type (
	serviceID   uint32
	operationID uint32
)

// names interns services and operations. An operation lives as long as a trace
// holds it, and a service as long as one of its operations does.
type names struct {
	services   table[string, serviceID]
	operations table[operationKey, operationID]
	bytes      int64
}

type operationKey struct {
	service serviceID
	name    string
	kind    Kind
}

func newNames() *names {
	return &names{services: newTable[string, serviceID](), operations: newTable[operationKey, operationID]()}
}

// hold finds or makes the operation and counts one more holder.
func (n *names) hold(service, operation []byte, kind Kind) operationID {
	svc, known := n.services.find(string(service))
	if !known {
		name := clip(service)
		if n.services.len() >= maxServices {
			name = otherServices
		}
		svc = n.services.intern(name)
	}
	op, known := n.operations.find(operationKey{svc, string(operation), kind})
	if !known {
		name := clip(operation)
		if n.operations.len() >= maxOperations {
			name = otherOperations
		}
		before := n.operations.len()
		op = n.operations.intern(operationKey{svc, name, kind})
		if n.operations.len() > before {
			n.services.held[svc]++
			n.bytes += nameBytes(name)
		}
	}
	n.operations.held[op]++
	return op
}

// release takes back one hold.
func (n *names) release(op operationID) {
	if n.operations.held[op]--; n.operations.held[op] > 0 {
		return
	}
	key := n.operations.keys[op]
	n.bytes -= nameBytes(key.name)
	n.operations.remove(op)
	if n.services.held[key.service]--; n.services.held[key.service] == 0 {
		n.services.remove(key.service)
	}
}

// nameBytes is about what an interned name costs beside its text.
func nameBytes(name string) int64 { return int64(len(name)) + 120 }

func clip(name []byte) string { return string(name[:min(len(name), maxNameBytes)]) }

func (n *names) service(id serviceID) string             { return n.services.keys[id] }
func (n *names) serviceOf(op operationID) serviceID      { return n.operations.keys[op].service }
func (n *names) operationName(op operationID) string     { return n.operations.keys[op].name }
func (n *names) serviceNamed(s string) (serviceID, bool) { return n.services.find(s) }

// serviceList is sorted.
func (n *names) serviceList() []string {
	list := make([]string, 0, n.services.len())
	for name := range n.services.ids {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// operationList is sorted by name and kind; an empty service means all.
func (n *names) operationList(service string) []Operation {
	list := []Operation{}
	for key := range n.operations.ids {
		if name := n.service(key.service); service == "" || service == name {
			list = append(list, Operation{Service: name, Name: key.name, Kind: key.kind})
		}
	}
	slices.SortFunc(list, func(a, b Operation) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}
