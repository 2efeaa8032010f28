package propagator

import (
	"encoding/hex"
	"unsafe"

	"go.opentelemetry.io/otel/trace"
)

// A traceparent of version 00, which is also the form of traceresponse:
//
//	00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
const (
	traceIDAt = 3
	spanIDAt  = 36
	flagsAt   = 53
	length    = 55

	knownFlags = trace.FlagsSampled | trace.FlagsRandom
)

// parse reads a traceparent that is as nearly all are: of version 00, and valid.
// Flags that are reserved are left out: level 2 has given one of them a meaning
// without a new version, and so may a level to come.
func parse(text string) (sc trace.SpanContextConfig, usual bool) {
	if len(text) != length || text[:traceIDAt] != "00-" || text[spanIDAt-1] != '-' || text[flagsAt-1] != '-' {
		return sc, false
	}
	var flags [1]byte
	if !unhex(sc.TraceID[:], text[traceIDAt:]) || !unhex(sc.SpanID[:], text[spanIDAt:]) || !unhex(flags[:], text[flagsAt:]) {
		return sc, false
	}
	sc.TraceFlags, sc.Remote = trace.TraceFlags(flags[0])&knownFlags, true
	return sc, sc.TraceID.IsValid() && sc.SpanID.IsValid()
}

// unhex reads as many digits, in lower case, as fill dst.
func unhex(dst []byte, text string) bool {
	wrong := byte(0)
	for i := range dst {
		high, low := digits[text[2*i]], digits[text[2*i+1]]
		wrong |= high | low
		dst[i] = high<<4 | low
	}
	return wrong&0xf0 == 0
}

// digits are the values of the digits, and more than 15 for what is none.
var digits = func() (values [256]byte) {
	for c := range values {
		values[c] = 0xff
	}
	for value, c := range []byte("0123456789abcdef") {
		values[c] = byte(value)
	}
	return values
}()

// Traceparent is room for the text of a span context inside something larger,
// so that the text costs no memory of its own.
type Traceparent struct{ text [length]byte }

// Of is the span context as text, in the form of traceparent. It lies in t and
// lasts as long, so t is used once only.
func (t *Traceparent) Of(sc trace.SpanContext) string {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	flags := [1]byte{byte(sc.TraceFlags() & knownFlags)}
	copy(t.text[:], "00-")
	hex.Encode(t.text[traceIDAt:], traceID[:])
	t.text[spanIDAt-1] = '-'
	hex.Encode(t.text[spanIDAt:], spanID[:])
	t.text[flagsAt-1] = '-'
	hex.Encode(t.text[flagsAt:], flags[:])
	return unsafe.String(&t.text[0], length) //nolint:gosec // the text is written here only, and once
}

// TraceIDOf is the trace id in the text of a span context.
func TraceIDOf(traceparent string) string { return traceparent[traceIDAt : spanIDAt-1] }
