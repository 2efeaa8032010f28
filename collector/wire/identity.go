package wire

// Identity reads of an encoded Span the trace's id, zero where it is none, and
// the tracestate, and makes no view of it. Errors: ErrMalformed.
func Identity(span []byte) (id TraceID, state []byte, err error) {
	for at := 0; at < len(span); {
		if span[at] == attributeTag {
			if n := run(span[at:], attributeTag); n > 0 {
				at += n
				continue
			}
		}
		tag, _, data, size := first(span[at:])
		switch {
		case size == 0:
			return id, nil, malformed("Span", "not a protobuf message")
		case tag == traceIDTag:
			id = traceID(data)
		case tag == traceStateTag:
			state = data
		}
		at += size
	}
	return id, state, nil
}
