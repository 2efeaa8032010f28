package file

import (
	"encoding/binary"

	"github.com/waybill-dev/waybill/collector/journal"
)

const (
	// tailBytes bounds the memory of what the tail holds, in bytes of capacity. A
	// reader that comes by every 50 ms finds what 100,000 spans of 500 bytes a
	// second have left.
	tailBytes = 3 << 20
	// tailPieces bounds how many pieces it holds. A reader that comes by every
	// 50 ms finds what 5,000 groups a second have left.
	tailPieces = 256
)

// tail is the newest of what was written, still in the groups it was written
// from, so that readers who keep up take it from there: without reading the
// file, and without checking again what this process has summed a moment ago.
// Journal.mu guards it.
type tail struct {
	pieces []piece // by offset
	held   int     // capacity of the groups in pieces
	free   []*group
}

// piece is records end to end in one segment, which are on disk as they are
// here.
type piece struct {
	first  journal.Offset
	frames []byte
	group  *group
}

func (p *piece) next() journal.Offset { return p.first + journal.Offset(len(p.frames)) }

// add takes in what has just been written, and lets go of the oldest.
func (t *tail) add(p piece) {
	if n := len(t.pieces); n == 0 || t.pieces[n-1].group != p.group {
		t.held += cap(p.group.frames)
	}
	p.group.uses++
	t.pieces = append(t.pieces, p)
	gone := 0
	for gone < len(t.pieces) && (t.held > tailBytes || len(t.pieces)-gone > tailPieces) {
		oldest := t.pieces[gone].group
		for gone < len(t.pieces) && t.pieces[gone].group == oldest {
			gone++
			t.letGo(oldest)
		}
		t.held -= cap(oldest.frames)
	}
	t.pieces = append(t.pieces[:0], t.pieces[gone:]...)
}

// hold returns pieces from pos on, up to about maxBytes, or none where pos is
// not in the tail. Their groups stay as they are until letGo.
func (t *tail) hold(held []piece, pos journal.Offset, maxBytes int) []piece {
	size := 0
	for i := range t.pieces {
		p := t.pieces[i]
		if len(held) == 0 {
			if pos < p.first || pos >= p.next() || !p.begins(pos) {
				continue
			}
			p.first, p.frames = pos, p.frames[pos-p.first:]
		} else if last := &held[len(held)-1]; p.first != last.next() || size >= maxBytes {
			break
		}
		p.group.uses++
		held = append(held, p)
		size += len(p.frames)
	}
	return held
}

// begins says whether a record is at pos; a cursor may have been committed
// anywhere.
func (p *piece) begins(pos journal.Offset) bool {
	at := int(pos - p.first)
	return at+recordHeader <= len(p.frames) && binary.LittleEndian.Uint64(p.frames[at+offsetAt:]) == uint64(pos)
}

// letGo ends one use of a group. When it was the last one, others may fill it.
func (t *tail) letGo(g *group) {
	if g.uses--; g.uses > 0 {
		return
	}
	g.reset()
	if len(t.free) < 2 && cap(g.frames) > 0 {
		t.free = append(t.free, g)
	}
}

// unused is an empty group.
func (t *tail) unused() *group {
	n := len(t.free)
	if n == 0 {
		return &group{}
	}
	g := t.free[n-1]
	t.free = t.free[:n-1]
	return g
}

// recordsOf decodes the records of pieces, up to maxBytes of payload, at least
// one where there is any. Payloads alias the pieces.
func recordsOf(pieces []piece, maxBytes int) []journal.Record {
	if len(pieces) == 0 {
		return nil
	}
	records := make([]journal.Record, 0, 1+min(len(pieces)*len(pieces[0].frames)/int(frameSize(pieces[0].frames)), 1024))
	sum := 0
	for i := range pieces {
		for frames := pieces[i].frames; len(frames) > 0; {
			size := int(frameSize(frames))
			if sum += size - recordHeader; sum > maxBytes && len(records) > 0 {
				return records
			}
			records = append(records, decode(frames[:size]))
			frames = frames[size:]
		}
	}
	return records
}
