package export

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// elements are the numbers of the repeated fields that lead to the items of an
// export request, from outside to inside: resources, scopes, items. They are
// the same for all three signals.
func elements() []protowire.Number { return []protowire.Number{1, 2, 2} }

// split makes two records of one that is too large for a backend. It cannot
// where there is but one item. Only the second one's Next passes the record, so
// that the cursor stays until both are delivered.
func split(record journal.Record) (first, second journal.Record, ok bool) {
	a, b, ok := cut(record.Payload, elements())
	if !ok {
		return record, record, false
	}
	first, second = record, record
	first.Payload, first.Next = a, record.Offset
	second.Payload = b
	items := countItems(record.Signal, b)
	second.Items = min(items, record.Items)
	first.Items = record.Items - second.Items
	return first, second, true
}

func countItems(signal journal.Signal, payload []byte) uint32 {
	count := wire.CountSpans
	switch signal {
	case journal.Metrics:
		count = wire.CountPoints
	case journal.Logs:
		count = wire.CountLogs
	}
	n, _ := count(payload) // It was checked when it was received.
	return uint32(n)
}

// cut makes two messages of one whose elements, which are in the field that
// levels begins with, it shares out by their size. Both have all other fields.
// Where there is one element only, that one is cut.
func cut(message []byte, levels []protowire.Number) (first, second []byte, ok bool) {
	found, rest, ok := sort(message, levels[0])
	switch {
	case !ok || len(found) == 0:
		return nil, nil, false
	case len(found) > 1:
		middle := half(found)
		return assemble(rest, found[:middle]), assemble(rest, found[middle:]), true
	case len(levels) == 1:
		return nil, nil, false
	}
	_, _, n := protowire.ConsumeTag(found[0])
	content, _ := protowire.ConsumeBytes(found[0][n:])
	a, b, ok := cut(content, levels[1:])
	return assemble(rest, [][]byte{wrap(levels[0], a)}), assemble(rest, [][]byte{wrap(levels[0], b)}), ok
}

// sort tells the elements of a message, with their tags, from all else in it.
func sort(message []byte, element protowire.Number) (found [][]byte, rest []byte, ok bool) {
	for len(message) > 0 {
		num, typ, n := protowire.ConsumeField(message)
		if n < 0 {
			return nil, nil, false
		}
		if num == element && typ == protowire.BytesType {
			found = append(found, message[:n])
		} else {
			rest = append(rest, message[:n]...)
		}
		message = message[n:]
	}
	return found, rest, true
}

// half is how many of the elements make up half of their bytes, at least one
// and not all.
func half(found [][]byte) int {
	total := 0
	for _, element := range found {
		total += len(element)
	}
	for i, sum := 0, 0; i < len(found)-1; i++ {
		if sum += len(found[i]); 2*sum >= total {
			return i + 1
		}
	}
	return len(found) - 1
}

func assemble(rest []byte, found [][]byte) []byte {
	size := len(rest)
	for _, element := range found {
		size += len(element)
	}
	message := append(make([]byte, 0, size), rest...)
	for _, element := range found {
		message = append(message, element...)
	}
	return message
}

func wrap(num protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), content)
}
