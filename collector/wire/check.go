package wire

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxDepth bounds how deeply messages may be nested, the request included.
const maxDepth = 100

// CountSpans checks all of an encoded ExportTraceServiceRequest and counts its
// spans. Errors: ErrMalformed.
func CountSpans(request []byte) (int, error) { return count(request, schema.traces) }

// CountPoints checks all of an encoded ExportMetricsServiceRequest and counts
// the data points of all its metrics. Errors: ErrMalformed.
func CountPoints(request []byte) (int, error) { return count(request, schema.metrics) }

// CountLogs checks all of an encoded ExportLogsServiceRequest and counts its
// log records. Errors: ErrMalformed.
func CountLogs(request []byte) (int, error) { return count(request, schema.logs) }

func count(request []byte, m *message) (int, error) {
	c := checker{}
	if err := c.check(request, m, 1); err != nil {
		return 0, err
	}
	return c.items, nil
}

// checker walks all of a request and counts the items in it.
type checker struct{ items int }

func (c *checker) check(buf []byte, m *message, depth int) error {
	if depth > maxDepth {
		return malformed(m.name, "nested too deeply")
	}
	s := scanner{buf: buf}
	for s.next() {
		if s.typ != protowire.BytesType || int(s.num) >= len(m.rules) {
			continue
		}
		r := &m.rules[s.num]
		switch r.kind {
		case anything:
		case text:
			if !utf8.Valid(s.data) {
				return malformed(m.name, "text that is not UTF-8")
			}
		case nested:
			if r.item {
				c.items++
			}
			if err := c.check(s.data, r.message, depth+1); err != nil {
				return err
			}
		case packedFixed64:
			if len(s.data)%8 != 0 {
				return malformed(m.name, "packed numbers end in the middle of one")
			}
		case packedVarint:
			if !varints(s.data) {
				return malformed(m.name, "packed numbers that are no varints")
			}
		}
	}
	if s.broken {
		return malformed(m.name, "not a protobuf message")
	}
	return nil
}

func varints(data []byte) bool {
	s := scanner{buf: data}
	for s.pos < len(data) && !s.broken {
		s.varint()
	}
	return !s.broken
}
