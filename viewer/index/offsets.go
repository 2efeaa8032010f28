package index

import (
	"encoding/binary"
	"slices"

	"github.com/waybill-dev/waybill/collector/journal"
)

// offsets is a rising list of journal offsets, each marked as holding spans or
// logs, in two to four bytes each: the distance to the one before, doubled,
// plus one for logs.
type offsets struct {
	first, last journal.Offset
	data        []byte
}

// add appends off unless it is the last already; offsets only rise.
func (o *offsets) add(off journal.Offset, logs bool) {
	delta := uint64(0)
	switch {
	case len(o.data) == 0:
		o.first = off
	case off <= o.last:
		return
	default:
		delta = uint64(off - o.last)
	}
	mark := uint64(0)
	if logs {
		mark = 1
	}
	if len(o.data)+4 > cap(o.data) {
		o.data = slices.Grow(o.data, 8)
	}
	o.data = binary.AppendUvarint(o.data, delta<<1|mark)
	o.last = off
}

// split lists the offsets of records with spans and of records with logs.
func (o *offsets) split() (spans, logs []journal.Offset) {
	off := o.first
	for data := o.data; len(data) > 0; {
		v, n := binary.Uvarint(data)
		data = data[n:]
		off += journal.Offset(v >> 1)
		if v&1 == 1 {
			logs = append(logs, off)
		} else {
			spans = append(spans, off)
		}
	}
	return spans, logs
}
