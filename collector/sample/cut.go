package sample

import (
	"errors"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-dev/waybill/collector/wire"
)

var errMalformed = errors.New("not a protobuf message")

// cutter takes the spans of some traces out of requests. Its buffers are used
// again.
type cutter struct {
	// wants says whether a trace's spans are wanted, and the threshold that they
	// are to carry.
	wants func(id wire.TraceID) verdict

	span, state []byte
	spans       int
}

// cut appends to dst an encoded ExportTraceServiceRequest with the spans that
// are wanted, and with their resources and scopes, and says how many they are.
// Everything about them stays as it was sent, but for the tracestate of those
// with a threshold. On an error dst is as it was.
func (c *cutter) cut(dst, request []byte) ([]byte, int, error) {
	c.spans = 0
	out, _, err := message(dst, request, 1, c.resourceSpans)
	if err != nil || c.spans == 0 {
		return dst, 0, err
	}
	return out, c.spans, nil
}

// message appends the fields of a message. Those of that number, all of them
// bytes, copied appends, which is given the whole field and its content; found
// says whether it appended any.
func message(dst, raw []byte, num protowire.Number, copied func(dst, field, content []byte) ([]byte, error)) (out []byte, found bool, err error) {
	for len(raw) > 0 {
		f, ok := firstElement(raw)
		switch {
		case !ok:
			return dst, false, errMalformed
		case f.num == num && f.typ == protowire.BytesType:
			before := len(dst)
			if dst, err = copied(dst, raw[:f.end], raw[f.content:f.end]); err != nil {
				return dst, false, err
			}
			found = found || len(dst) > before
		default:
			dst = append(dst, raw[:f.end]...)
		}
		raw = raw[f.end:]
	}
	return dst, found, nil
}

// within appends a field with what is left of its content, or nothing where
// nothing of number 2 is.
func within(dst []byte, num protowire.Number, content []byte, copied func(dst, field, content []byte) ([]byte, error)) ([]byte, error) {
	before := len(dst)
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	// The length comes when it is known, in as many bytes as it had.
	at := len(dst)
	dst = protowire.AppendVarint(dst, uint64(len(content)))
	begin := len(dst)
	dst, found, err := message(dst, content, 2, copied)
	if err != nil || !found {
		return dst[:before], err
	}
	size := len(dst) - begin
	if moved := at + protowire.SizeVarint(uint64(size)); moved != begin {
		dst = slices.Grow(dst, max(moved-begin, 0))[:max(moved, begin)+size]
		copy(dst[moved:], dst[begin:begin+size])
		dst = dst[:moved+size]
	}
	protowire.AppendVarint(dst[:at], uint64(size))
	return dst, nil
}

func (c *cutter) resourceSpans(dst, _, content []byte) ([]byte, error) {
	return within(dst, 1, content, c.scopeSpans)
}

func (c *cutter) scopeSpans(dst, _, content []byte) ([]byte, error) {
	return within(dst, 2, content, c.oneSpan)
}

// oneSpan appends a span as it is, or with a tracestate that has the threshold.
func (c *cutter) oneSpan(dst, field, content []byte) ([]byte, error) {
	id, state, err := wire.Identity(content)
	if err != nil {
		return dst, err
	}
	v := c.wants(id)
	if !v.keep {
		return dst, nil
	}
	c.spans++
	if v.threshold == 0 {
		return append(dst, field...), nil
	}
	// Of a field that comes twice the last one counts.
	c.state = appendThreshold(c.state[:0], state, v.threshold)
	c.span, _, err = message(c.span[:0], content, 3, func(dst, _, _ []byte) ([]byte, error) { return dst, nil })
	c.span = protowire.AppendTag(c.span, 3, protowire.BytesType)
	c.span = protowire.AppendBytes(c.span, c.state)
	dst = protowire.AppendTag(dst, 2, protowire.BytesType)
	return protowire.AppendBytes(dst, c.span), err
}

// element is a field at the beginning of a message: its content ends at end,
// and, where it is bytes, begins at content.
type element struct {
	num          protowire.Number
	typ          protowire.Type
	content, end int
}

// firstElement finds the first field of a message. Nearly all have a tag of one
// byte and are numbers of eight, or bytes of fewer than 16,384.
func firstElement(raw []byte) (element, bool) {
	if len(raw) >= 2 && raw[0] >= 8 && raw[0] < 0x80 {
		e := element{num: protowire.Number(raw[0] >> 3), typ: protowire.Type(raw[0] & 7), content: 1}
		switch {
		case e.typ == protowire.BytesType && raw[1] < 0x80:
			e.content, e.end = 2, 2+int(raw[1])
		case e.typ == protowire.BytesType && len(raw) > 2 && raw[2] < 0x80:
			e.content, e.end = 3, 3+(int(raw[1])&0x7f|int(raw[2])<<7)
		case e.typ == protowire.Fixed64Type:
			e.end = 9
		case e.typ == protowire.VarintType && raw[1] < 0x80:
			e.end = 2
		}
		if e.end > 0 {
			return e, e.end <= len(raw)
		}
	}
	num, typ, tag := protowire.ConsumeTag(raw)
	if tag < 0 {
		return element{}, false
	}
	size := protowire.ConsumeFieldValue(num, typ, raw[tag:])
	if size < 0 {
		return element{}, false
	}
	e := element{num: num, typ: typ, content: tag, end: tag + size}
	if typ == protowire.BytesType {
		_, head := protowire.ConsumeVarint(raw[tag:])
		e.content += head
	}
	return e, true
}
