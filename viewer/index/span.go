package index

import (
	"encoding/hex"
	"errors"
	"strings"

	"github.com/waybill-dev/waybill/viewer/graph"
)

// TraceID identifies a trace.
type TraceID [16]byte

// String is the id in 32 hexadecimal digits.
func (id TraceID) String() string { return hex.EncodeToString(id[:]) }

var errTraceID = errors.New("a trace id has up to 32 hexadecimal digits and is not zero")

// ParseTraceID reads up to 32 hexadecimal digits of either case; fewer are
// filled up with zeros on the left.
func ParseTraceID(s string) (id TraceID, err error) {
	if len(s) > 32 {
		return id, errTraceID
	}
	padded := strings.Repeat("0", 32-len(s)) + s
	if _, err := hex.Decode(id[:], []byte(padded)); err != nil || id == (TraceID{}) {
		return TraceID{}, errTraceID
	}
	return id, nil
}

// SpanID identifies a span within its trace.
type SpanID [8]byte

// String is the id in 16 hexadecimal digits.
func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

var errSpanID = errors.New("a span id has 16 hexadecimal digits")

// ParseSpanID reads 16 hexadecimal digits of either case.
func ParseSpanID(s string) (id SpanID, err error) {
	if len(s) != 16 {
		return id, errSpanID
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return SpanID{}, errSpanID
	}
	return id, nil
}

// Kind is a span's kind, with OTLP's numbers.
type Kind uint8

// The kinds of spans.
const (
	Unspecified Kind = iota
	Internal
	Server
	Client
	Producer
	Consumer
)

// String is the kind as Jaeger's API spells it; empty when unspecified.
func (k Kind) String() string {
	if k > Consumer {
		return ""
	}
	return [...]string{"", "internal", "server", "client", "producer", "consumer"}[k]
}

// Span is what the index takes from one span. Its slices are only read during
// the call that passes it.
type Span struct {
	Trace      TraceID
	ID, Parent SpanID
	Kind       Kind
	Failed     bool
	// Start and End are in nanoseconds of Unix time.
	Start, End         uint64
	Service, Operation []byte
	// Peer names the far end of a client or producer span, in case that no
	// span of a server or consumer comes; PeerType says what it is.
	Peer     []byte
	PeerType graph.Type
	Links    []Link
}

// Link points from a span to a span, mostly of another trace.
type Link struct {
	Trace TraceID
	Span  SpanID
}
