package tracegen

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// instances is how many of each service there are.
const instances = 2

// sampled is W3C's trace flag.
const sampled = 1

// spanID is a span's id; zero is none.
type spanID [8]byte

// encoder makes requests; it is used by one worker and uses its memory again.
type encoder struct {
	shop      *shop
	templates map[*operation]template
	resources []resource
	random    *rand.Rand
	source    *rand.PCG
	buf       []byte
	span      []byte
	part      []byte
	order     []byte
}

// template is what of an operation's span is the same in every trace, encoded.
type template struct {
	fixed    []byte
	resource int // of the first instance
	drawn    []attribute
}

// resource is one instance of a service.
type resource struct {
	head  []byte // encoded: field 1 of ResourceSpans
	spans []byte // encoded spans of the request under way: field 2 of ScopeSpans
}

func newEncoder(s *shop) *encoder {
	source := rand.NewPCG(0, 0)
	e := &encoder{
		shop: s, templates: map[*operation]template{}, source: source,
		random: rand.New(source), //nolint:gosec // the traces are to be the same each time
	}
	first := map[string]int{}
	for _, service := range s.services {
		first[service] = len(e.resources)
		for i := range instances {
			e.resources = append(e.resources, resource{head: resourceHead(service, i)})
		}
	}
	for _, scenario := range s.scenarios {
		e.prepare(scenario.root, first)
	}
	return e
}

func resourceHead(service string, instance int) []byte {
	var attributes []byte
	for _, a := range []attribute{
		text("service.name", service), text("service.version", "1.0.0"), text("service.instance.id", service+"-"+strconv.Itoa(instance+1)),
		text("service.namespace", "shop"), text("telemetry.sdk.language", "go"), text("telemetry.sdk.name", "waybill-tracegen"),
	} {
		attributes = appendAttribute(attributes, 1, a)
	}
	return appendBytes(nil, 1, attributes)
}

func (e *encoder) prepare(o *operation, first map[string]int) {
	t := template{resource: first[o.service]}
	t.fixed = appendBytes(t.fixed, 5, []byte(o.name))
	t.fixed = appendVarint(t.fixed, 6, uint64(o.kind))
	for _, a := range o.attributes {
		if a.draw != nil {
			t.drawn = append(t.drawn, a)
			continue
		}
		t.fixed = appendAttribute(t.fixed, 9, a)
	}
	if o.failure != "" {
		t.fixed = appendBytes(t.fixed, 15, appendVarint(appendBytes(nil, 2, []byte(o.failure)), 3, 2))
	}
	e.templates[o] = t
	for _, call := range o.calls {
		e.prepare(call, first)
	}
	for _, l := range o.later {
		e.prepare(l.operation, first)
	}
}

// forget gives up the memory of the last request, which somebody else may
// still read.
func (e *encoder) forget() { e.buf = nil }

// request encodes traces so that the last of their spans ends now. The bytes
// are valid until the next call. Trace i is the same for the same seed, but
// for its times.
//
//	ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1 }
//	ResourceSpans { Resource resource = 1;  repeated ScopeSpans scope_spans = 2 }
//	ScopeSpans { InstrumentationScope scope = 1;  repeated Span spans = 2 }
func (e *encoder) request(seed uint64, o order, now time.Time) (request []byte, spans int) {
	for i := range e.resources {
		e.resources[i].spans = e.resources[i].spans[:0]
	}
	for i := o.first; i < o.first+uint64(o.n); i++ {
		e.source.Seed(seed, i)
		spans += e.trace(now)
	}
	e.buf = e.buf[:0]
	for _, r := range e.resources {
		if len(r.spans) == 0 {
			continue
		}
		scope := len(scopeHead) + len(r.spans)
		size := len(r.head) + protowire.SizeTag(2) + protowire.SizeBytes(scope)
		e.buf = protowire.AppendTag(e.buf, 1, protowire.BytesType)
		e.buf = protowire.AppendVarint(e.buf, uint64(size))
		e.buf = append(e.buf, r.head...)
		e.buf = protowire.AppendTag(e.buf, 2, protowire.BytesType)
		e.buf = protowire.AppendVarint(e.buf, uint64(scope))
		e.buf = append(append(e.buf, scopeHead...), r.spans...)
	}
	return e.buf, spans
}

var scopeHead = appendBytes(nil, 1, appendBytes(nil, 1, []byte("github.com/waybill-dev/waybill/tracegen")))

// trace encodes one trace into the resources' spans and counts its spans.
func (e *encoder) trace(now time.Time) int {
	root := e.shop.pick(e.random)
	t := made{traceID: [16]byte{}, about: e.identity(), instance: e.random.IntN(instances)}
	binary.LittleEndian.PutUint64(t.traceID[:], e.random.Uint64())
	binary.LittleEndian.PutUint64(t.traceID[8:], e.random.Uint64()|1)
	t.place(e.random, root, spanID{}, 0)
	began := now.Add(-t.end)
	for i := range t.spans {
		e.add(&t, &t.spans[i], began)
	}
	return len(t.spans)
}

// users is how many different people place orders.
const users = 200

const letters = "abcdefghijklmnopqrstuvwxyz234567"

func (e *encoder) identity() identity {
	e.order = append(e.order[:0], "ord_"...)
	for range 20 {
		e.order = append(e.order, letters[e.random.IntN(len(letters))])
	}
	return identity{order: string(e.order), user: "usr_" + strconv.Itoa(e.random.IntN(users))}
}

// add encodes a span:
//
//	bytes trace_id = 1;  bytes span_id = 2;  bytes parent_span_id = 4;  string name = 5;  SpanKind kind = 6;
//	fixed64 start_time_unix_nano = 7;  fixed64 end_time_unix_nano = 8;  repeated KeyValue attributes = 9;
//	repeated Event events = 11;  repeated Link links = 13;  Status status = 15;  fixed32 flags = 16;
func (e *encoder) add(t *made, s *span, began time.Time) {
	template := e.templates[s.operation]
	base := uint64(began.UnixNano())
	b := appendBytes(e.span[:0], 1, t.traceID[:])
	b = appendBytes(b, 2, s.id[:])
	if s.parent != (spanID{}) {
		b = appendBytes(b, 4, s.parent[:])
	}
	b = appendFixed64(b, 7, base+uint64(s.start))
	b = appendFixed64(b, 8, base+uint64(s.end))
	b = append(b, template.fixed...)
	for _, a := range template.drawn {
		b = appendAttribute(b, 9, text(a.key, a.draw(&t.about)))
	}
	for i, event := range s.operation.events {
		e.part = appendBytes(appendFixed64(e.part[:0], 1, base+uint64(s.eventTimes[i])), 2, []byte(event.name))
		b = appendBytes(b, 11, e.part)
	}
	if s.linked {
		e.part = appendBytes(appendBytes(e.part[:0], 1, t.traceID[:]), 2, s.parent[:])
		b = appendBytes(b, 13, e.part)
	}
	b = protowire.AppendTag(b, 16, protowire.Fixed32Type)
	b = protowire.AppendFixed32(b, sampled)
	e.span = b
	r := &e.resources[template.resource+t.instance]
	r.spans = appendBytes(r.spans, 2, b)
}

// appendAttribute writes a KeyValue:
//
//	string key = 1;  AnyValue value = 2 { string string_value = 1;  int64 int_value = 3 }
func appendAttribute(dst []byte, field protowire.Number, a attribute) []byte {
	value := protowire.SizeTag(1) + protowire.SizeBytes(len(a.text))
	if a.number != 0 {
		value = protowire.SizeTag(3) + protowire.SizeVarint(uint64(a.number))
	}
	size := protowire.SizeTag(1) + protowire.SizeBytes(len(a.key)) + protowire.SizeTag(2) + protowire.SizeBytes(value)
	dst = protowire.AppendTag(dst, field, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(size))
	dst = protowire.AppendTag(dst, 1, protowire.BytesType)
	dst = protowire.AppendString(dst, a.key)
	dst = protowire.AppendTag(dst, 2, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(value))
	if a.number != 0 {
		return appendVarint(dst, 3, uint64(a.number))
	}
	dst = protowire.AppendTag(dst, 1, protowire.BytesType)
	return protowire.AppendString(dst, a.text)
}

func appendBytes(dst []byte, field protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), value)
}

func appendVarint(dst []byte, field protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, field, protowire.VarintType), value)
}

func appendFixed64(dst []byte, field protowire.Number, value uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(dst, field, protowire.Fixed64Type), value)
}
