package wire

import "google.golang.org/protobuf/encoding/protowire"

// DropSpans appends to dst the encoded ExportTraceServiceRequest without the
// spans for which drop is true, and says how many they were. Everything else
// stays as it was sent, unknown fields included. Errors: ErrMalformed.
func DropSpans(dst, request []byte, drop func(*Span) bool) ([]byte, int, error) {
	var span Span
	dropped := 0
	keep := func(raw []byte) ([]byte, bool, error) {
		if !span.parse(raw) {
			return nil, false, malformed("Span", "not a protobuf message")
		}
		if drop(&span) {
			dropped++
			return nil, false, nil
		}
		return raw, true, nil
	}
	inner := func(change func([]byte) ([]byte, bool, error)) func([]byte) ([]byte, bool, error) {
		return func(raw []byte) ([]byte, bool, error) {
			out, err := rewrite(nil, raw, 2, change)
			return out, true, err
		}
	}
	dst, err := rewrite(dst, request, 1, inner(inner(keep)))
	return dst, dropped, err
}

// rewrite copies a message, and puts each field of that number through change,
// which gives the new content, or says that the field is to be left out.
func rewrite(dst, raw []byte, num protowire.Number, change func([]byte) ([]byte, bool, error)) ([]byte, error) {
	s := scanner{buf: raw}
	for s.next() {
		if !s.is(num) {
			dst = append(dst, raw[s.start:s.pos]...)
			continue
		}
		content, keep, err := change(s.data)
		if err != nil {
			return dst, err
		}
		if keep {
			dst = protowire.AppendTag(dst, num, protowire.BytesType)
			dst = protowire.AppendBytes(dst, content)
		}
	}
	if s.broken {
		return dst, malformed("request", "not a protobuf message")
	}
	return dst, nil
}
