package main

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// spansPerRequest is how many spans each request has.
const spansPerRequest = 500

// work is what the load sends, over and over, each time with new ids: that
// costs next to nothing, so what is measured is not the generator. Request n is
// made of the template n, counted modulo their number.
type work struct {
	templates []*template
	// parts is how many requests in a row have the same traces. It divides the
	// number of templates.
	parts int
	// traces are those that the parts of a group have, by group.
	traces [][]outline
}

// outline is what is known of a trace before it is sent.
type outline struct {
	spans []spanAt
	// wanted says that it has an error or is slow.
	wanted bool
}

// spanAt is where a span is: in which part, at which place.
type spanAt struct{ part, index int }

// template is an encoded request of spansPerRequest spans, and where in it the
// ids are.
type template struct {
	bytes  []byte
	places []place
	parts  uint64
}

// place is eight bytes that identify something: a trace, or a span of one of
// the parts.
type place struct {
	at    int
	trace bool
	part  uint16
	low   uint16
}

// number gives the request, and each span in it, ids that no other request has,
// and each trace one that only the other parts have.
func (t *template) number(n uint64) {
	group := n / t.parts
	for _, p := range t.places {
		id := (group*t.parts+uint64(p.part)+1)<<16 | uint64(p.low)
		if p.trace {
			id = mix((group+1)<<16 | uint64(p.low))
		}
		binary.BigEndian.PutUint64(t.bytes[p.at:], id)
	}
}

// mix spreads numbers evenly, no two to the same: samplers take an id for
// random. It is the last step of the generator SplitMix64.
func mix(v uint64) uint64 {
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

// numberOf takes a span's id apart again.
func numberOf(id []byte) (n uint64, index int, ok bool) {
	if len(id) != 8 {
		return 0, 0, false
	}
	v := binary.BigEndian.Uint64(id)
	n, index = v>>16, int(v&0xffff)
	return n - 1, index, n > 0 && index < spansPerRequest
}

// clone is a template that another client may write into.
func (t *template) clone() *template {
	return &template{bytes: slices.Clone(t.bytes), places: t.places, parts: t.parts}
}

// newWork makes groups of requests out of traces of the demo shop, as tracegen
// makes them.
func newWork(ctx context.Context, groups, parts int) (*work, error) {
	captured, err := capture(ctx, groups, parts)
	if err != nil {
		return nil, err
	}
	w := &work{parts: parts}
	for _, c := range captured {
		encoded, wanted, err := c.split(parts)
		if err != nil {
			return nil, err
		}
		group := make([]*template, parts)
		for i := range group {
			group[i] = &template{bytes: encoded[i], parts: uint64(parts)}
		}
		outlines, err := locate(group, wanted)
		if err != nil {
			return nil, err
		}
		w.templates = append(w.templates, group...)
		w.traces = append(w.traces, outlines)
	}
	return w, nil
}

var errLayout = errors.New("BUG: a template that is no request")

// locate finds the ids in the requests of a group: span and parent ids whole, of
// trace ids the last half. wanted has the ids of traces that are.
func locate(group []*template, wanted map[string]bool) ([]outline, error) {
	spans, traces := map[string]place{}, map[string]uint16{}
	var outlines []outline
	type reference struct{ part, at int }
	var parents []reference
	for part, t := range group {
		index := 0
		err := eachSpan(t.bytes, func(span []byte, base int) error {
			defer func() { index++ }()
			return eachField(span, func(num protowire.Number, value []byte, at int) error {
				switch {
				case num == 1 && len(value) == 16:
					trace, ok := traces[string(value)]
					if !ok {
						trace = uint16(len(traces))
						traces[string(value)] = trace
						outlines = append(outlines, outline{wanted: wanted[string(value)]})
					}
					outlines[trace].spans = append(outlines[trace].spans, spanAt{part, index})
					t.places = append(t.places, place{at: base + at + 8, trace: true, low: trace})
				case num == 2 && len(value) == 8:
					p := place{at: base + at, part: uint16(part), low: uint16(index)}
					spans[string(value)] = p
					t.places = append(t.places, p)
				case num == 4 && len(value) == 8:
					parents = append(parents, reference{part, base + at})
				}
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
		if index != spansPerRequest {
			return nil, errLayout
		}
	}
	for _, r := range parents {
		// A parent that was cut off stays an id that nobody has.
		t := group[r.part]
		if of, ok := spans[string(t.bytes[r.at:r.at+8])]; ok {
			t.places = append(t.places, place{at: r.at, part: of.part, low: of.low})
		}
	}
	return outlines, nil
}

// eachSpan visits the encoded spans of a request, with where they begin.
func eachSpan(request []byte, visit func(span []byte, at int) error) error {
	return eachField(request, func(num protowire.Number, resource []byte, resourceAt int) error {
		if num != 1 {
			return nil
		}
		return eachField(resource, func(num protowire.Number, scope []byte, scopeAt int) error {
			if num != 2 {
				return nil
			}
			return eachField(scope, func(num protowire.Number, span []byte, at int) error {
				if num != 2 {
					return nil
				}
				return visit(span, resourceAt+scopeAt+at)
			})
		})
	})
}

// errStop ends eachField early.
var errStop = errors.New("enough")

// eachField visits the length-delimited fields of a message.
func eachField(message []byte, visit func(num protowire.Number, value []byte, at int) error) error {
	for pos := 0; pos < len(message); {
		num, typ, n := protowire.ConsumeTag(message[pos:])
		if n < 0 {
			return errLayout
		}
		pos += n
		if typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, message[pos:]); n < 0 {
				return errLayout
			}
			pos += n
			continue
		}
		value, n := protowire.ConsumeBytes(message[pos:])
		if n < 0 {
			return errLayout
		}
		pos += n
		err := visit(num, value, pos-len(value))
		if errors.Is(err, errStop) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
