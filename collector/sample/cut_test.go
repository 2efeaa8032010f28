package sample

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/waybill-dev/waybill/collector/wire"
)

func decode(t testing.TB, payload []byte) *coltracepb.ExportTraceServiceRequest {
	t.Helper()
	m := &coltracepb.ExportTraceServiceRequest{}
	if err := proto.Unmarshal(payload, m); err != nil {
		t.Fatal(err)
	}
	return m
}

func wanting(want map[wire.TraceID]verdict) *cutter {
	return &cutter{wants: func(id wire.TraceID) verdict { return want[id] }}
}

// TestCut takes two traces of three, leaves out what is then empty, and writes
// the threshold to one of them. Unknown fields stay.
func TestCut(t *testing.T) {
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 7)
	odd := spanOf(1, 1, child, with("a", "b"))
	odd.ProtoReflect().SetUnknown(unknown)
	shop := request(t, "shop", spanOf(1, 0), spanOf(2, 0), odd)
	sampled := spanOf(3, 0, state("ot=th:8,a=b"))
	all := append(append(shop, request(t, "bank", spanOf(2, 1))...), request(t, "mail", sampled)...)

	c := wanting(map[wire.TraceID]verdict{idOf(1): {keep: true}, idOf(3): {keep: true, threshold: randomness / 4 * 3}})
	got, n, err := c.cut([]byte{}, all)
	if err != nil || n != 3 {
		t.Fatalf("%d spans, %v", n, err)
	}
	want := append(request(t, "shop", spanOf(1, 0), odd), request(t, "mail", spanOf(3, 0, state("ot=th:c,a=b")))...)
	if diff := cmp.Diff(decode(t, want), decode(t, got), protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if got, n, err := wanting(nil).cut([]byte("x"), all); string(got) != "x" || n != 0 || err != nil {
		t.Errorf("nothing is wanted: %q, %d, %v", got, n, err)
	}
}

// TestCutLengths: a length that grows or shrinks may take more or fewer bytes.
func TestCutLengths(t *testing.T) {
	c := wanting(map[wire.TraceID]verdict{idOf(1): {keep: true, threshold: 0xabcdef0123456}, idOf(2): {keep: true}})
	var dst []byte
	for _, around := range []int{0, 1 << 7, 1 << 14} {
		for n := max(around-100, 0); n < around+20; n++ {
			grows := spanOf(1, 0, named(strings.Repeat("x", n)))
			stays := spanOf(2, 0, named(strings.Repeat("y", n)))
			goes := spanOf(3, 0, named(strings.Repeat("z", n)))
			want := []*tracepb.Span{spanOf(1, 0, named(grows.GetName()), state("ot=th:0abcdef0123456")), stays}
			for _, spans := range [][]*tracepb.Span{{grows}, {goes, stays}, {grows, stays, goes}} {
				var got int
				var err error
				dst, got, err = c.cut(dst[:0], request(t, "shop", spans...))
				if err != nil {
					t.Fatal(err)
				}
				kept := spansOf(decode(t, dst), func(*tracepb.Span) bool { return true })
				if got != len(kept) {
					t.Fatalf("names of %d bytes: %d spans, %d can be decoded", n, got, len(kept))
				}
				for i, s := range kept {
					expected := want[len(want)-len(kept)+i]
					if len(spans) == 1 {
						expected = want[0]
					}
					if !proto.Equal(expected, s) {
						t.Fatalf("names of %d bytes: %v; want %v", n, s, expected)
					}
				}
			}
		}
	}
}

func TestAppendThreshold(t *testing.T) {
	for before, want := range map[string]string{
		"":                       "ot=th:8",
		"a=b":                    "ot=th:8,a=b",
		"a=b, ot=rv:0123":        "ot=th:8;rv:0123,a=b",
		"ot=th:4;rv:0123,c=d":    "ot=th:8;rv:0123,c=d",
		"ot=th:8":                "ot=th:8",
		"x=y,ot=p:1;th:c":        "x=y,ot=p:1;th:c",
		"ot=th:rubbish,not=th:1": "ot=th:8,not=th:1",
	} {
		if got := string(appendThreshold(nil, []byte(before), randomness/2)); got != want {
			t.Errorf("%q: %q; want %q", before, got, want)
		}
	}
}

// FuzzCut holds what is cut out against what a decoder sees.
func FuzzCut(f *testing.F) {
	f.Add(request(f, "shop", spanOf(1, 0), spanOf(2, 0, child, failed)))
	f.Add(request(f, "shop", spanOf(1, 0, state("ot=rv:0123,a=b"))))
	f.Add([]byte{0x0a, 0x02, 0x12, 0x00})
	f.Fuzz(func(t *testing.T, payload []byte) {
		c := &cutter{wants: func(id wire.TraceID) verdict { return verdict{keep: id == idOf(1), threshold: randomness / 2} }}
		got, n, err := c.cut(nil, payload)
		request := &coltracepb.ExportTraceServiceRequest{}
		if err != nil || proto.Unmarshal(payload, request) != nil {
			return
		}
		id := idOf(1)
		want := spansOf(request, func(s *tracepb.Span) bool { return bytes.Equal(s.GetTraceId(), id[:]) })
		kept := spansOf(decode(t, got), func(*tracepb.Span) bool { return true })
		if len(want) != n || len(kept) != n {
			t.Fatalf("%d of %d spans were cut out, and %d can be decoded", n, len(want), len(kept))
		}
		for i := range kept {
			want[i].TraceState, kept[i].TraceState = "", ""
			if !proto.Equal(want[i], kept[i]) {
				t.Errorf("%v became %v", want[i], kept[i])
			}
		}
	})
}

func spansOf(request *coltracepb.ExportTraceServiceRequest, is func(*tracepb.Span) bool) (all []*tracepb.Span) {
	for _, r := range request.GetResourceSpans() {
		for _, s := range r.GetScopeSpans() {
			for _, span := range s.GetSpans() {
				if is(span) {
					all = append(all, span)
				}
			}
		}
	}
	return all
}
