package derive

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/wire"
)

// seen is what both passes over a request are to tell of one of its spans.
type seen struct {
	Service, Trace, Span, Parent, State, Name, Links, Labels string
	Start, End                                               uint64
	Kind                                                     wire.SpanKind
	Code                                                     wire.StatusCode
}

// keysOfBoth are asked for in spans and in resources.
func keysOfBoth() []string { return []string{"db.system", "code", "", "host.name"} }

// byWire is a request as package wire sees it, and whether that sees its end.
func byWire(request []byte) (all []seen, whole bool) {
	err := wire.WalkSpans(request, func(r *wire.Resource, _ *wire.Scope, s *wire.Span) error {
		one := seen{
			Service: string(r.ServiceName()), Trace: string(s.TraceID[:]), Span: string(s.SpanID[:]), Parent: string(s.ParentID[:]),
			State: string(s.TraceState), Name: string(s.Name), Start: s.Start, End: s.End, Kind: s.Kind, Code: s.StatusCode,
		}
		for link := range s.Links() {
			one.Links += string(link.TraceID[:]) + string(link.SpanID[:])
		}
		for _, attributes := range []wire.Attributes{s.Attributes, r.Attributes} {
			for _, key := range keysOfBoth() {
				value, _ := attributes.Get(key)
				one.Labels += "|" + value.String()
			}
		}
		all = append(all, one)
		return nil
	})
	return all, err == nil
}

// byView is a request as deriving sees it.
func byView(request []byte) (all []seen, whole bool) {
	service, keys := newFinder([]string{"service.name"}), newFinder(keysOfBoth())
	labels := func(attributes []byte, tag byte) string {
		var all strings.Builder
		keys.look(attributes, tag)
		for _, value := range keys.values {
			all.WriteString("|" + general(value).String())
		}
		return all.String()
	}
	scan := newTestGraph(func(*Config) {})
	whole = each(request, groupTag, func(group []byte) bool {
		var resource []byte
		each(group, resourceTag, func(part []byte) bool {
			resource = join(resource, part)
			return true
		})
		service.look(resource, resourceAttributeTag)
		return each(group, scopeTag, func(scope []byte) bool {
			return each(scope, spanTag, func(span []byte) bool {
				v := &scan.view
				if !v.parse(span) {
					return false
				}
				one := seen{
					Service: string(service.text(0)), Trace: string(v.trace[:]), Span: string(v.span[:]), Parent: string(v.parent[:]),
					State: string(v.state), Name: string(v.name), Start: v.start, End: v.end, Kind: v.kind, Code: v.code,
				}
				for to, rest, found := nextLink(v.links); found; to, rest, found = nextLink(rest) {
					one.Links += string(to.trace[:]) + string(to.span[:])
				}
				one.Labels = labels(v.attributes, attributeTag) + labels(resource, resourceAttributeTag)
				all = append(all, one)
				return true
			})
		})
	})
	return all, whole
}

// FuzzView holds the two against each other, on bytes of any kind.
func FuzzView(f *testing.F) {
	for _, r := range smallLoad(f) {
		f.Add(r.Payload)
	}
	for _, r := range oddities(f) {
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		want, whole := byWire(request)
		got, ours := byView(request)
		if diff := cmp.Diff(want, got); diff != "" || whole != ours {
			t.Errorf("whole: %v, want %v; spans (-want +got):\n%s", ours, whole, diff)
		}
	})
}

// oddities are requests as no sender makes them, but may.
func oddities(t testing.TB) [][]byte {
	text := func(s string) *commonpb.AnyValue {
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
	}
	s := make1(consumerKind, at(1, 2), failed, linked("", 3), linked("x", 4), tracestate("a=b"), attr("db.system", "first"), attr("db.system", "second"))
	s.Flags = 1
	s.Attributes = append(s.Attributes, &commonpb.KeyValue{Key: "code", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 0.5}}},
		&commonpb.KeyValue{Key: "host.name"}, &commonpb.KeyValue{Value: text("of no key")})
	s.Events = []*tracepb.Span_Event{{Name: "between", TimeUnixNano: 5}}
	plain := record(t, "shop", s, make1(tracepb.Span_SPAN_KIND_INTERNAL)).Payload
	within := func(b ...byte) []byte { return append([]byte{10, byte(len(b))}, b...) }
	return [][]byte{
		plain,
		plain[:len(plain)-3],
		slices.Concat(plain, []byte{0x9a, 1, 2, 'h', 'i'}, plain), // An unknown field between.
		slices.Concat(plain, []byte{0x1b, 8, 1, 0x1c}, plain),     // A group.
		slices.Concat(plain, []byte{0x0c}),                        // The end of none.
		slices.Concat(plain, []byte{0x80, 0x80, 0x80, 0x80, 0x40, 1}),
		within(18, 2, 18, 0, 10, 4, 10, 2, 10, 0),                                       // A resource behind its span.
		within(10, 5, 10, 3, 10, 1, 'k', 10, 0, 18, 2, 18, 0, 10, 5, 10, 3, 10, 1, 'l'), // Two of them.
		within(18, 4, 18, 2, 7<<3|1, 0),                                                 // A time that is cut off.
		within(18, 5, 18, 3, 6<<3, 0x83, 0),                                             // A kind in more bytes than it needs.
		within(18, 6, 18, 4, 0x82, 0, 1, 1),                                             // A tag in more bytes than it needs.
	}
}

func TestOddRequests(t *testing.T) {
	for i, request := range oddities(t) {
		want, whole := byWire(request)
		got, ours := byView(request)
		if diff := cmp.Diff(want, got); diff != "" || whole != ours {
			t.Errorf("request %d: whole: %v, want %v; spans (-want +got):\n%s", i, ours, whole, diff)
		}
	}
}
