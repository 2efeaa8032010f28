package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/tracegen"
)

// spansPerRequest is how many spans each request has.
const spansPerRequest = 500

// template is an encoded request of spansPerRequest spans, and where in it the
// ids are. The load sends it over and over, each time with new ids: that costs
// next to nothing, so what is measured is not the generator.
type template struct {
	bytes  []byte
	places []place
}

// place is eight bytes that identify something within the request.
type place struct {
	at  int
	low uint16
}

// number gives the request, and each span and trace in it, ids that no other
// request has.
func (t *template) number(n uint64) {
	for _, p := range t.places {
		binary.BigEndian.PutUint64(t.bytes[p.at:], (n+1)<<16|uint64(p.low))
	}
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
	return &template{bytes: slices.Clone(t.bytes), places: t.places}
}

// newTemplates makes n templates out of traces of the demo shop, as tracegen
// makes them, with more attributes so that a span has some 500 bytes.
func newTemplates(ctx context.Context, n int) ([]*template, error) {
	requests, err := capture(ctx, n)
	if err != nil {
		return nil, fmt.Errorf("have traces made: %w", err)
	}
	templates := make([]*template, 0, n)
	for _, request := range requests {
		encoded, err := enrich(request)
		if err != nil {
			return nil, err
		}
		t := &template{bytes: encoded}
		if err := t.locate(); err != nil {
			return nil, err
		}
		templates = append(templates, t)
	}
	return templates, nil
}

// tracesPerRequest is how many traces have spansPerRequest spans for certain.
const tracesPerRequest = 40

// capture has tracegen send n requests, and keeps them.
func capture(ctx context.Context, n int) ([][]byte, error) {
	var mu sync.Mutex
	var requests [][]byte
	s, err := startSink(ctx, endpoints{}, func(payload []byte) error {
		mu.Lock()
		defer mu.Unlock()
		requests = append(requests, slices.Clone(payload))
		return nil
	})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	cfg := tracegen.DefaultConfig()
	cfg.Protocol, cfg.Endpoint = tracegen.GRPC, s.at.grpc
	cfg.Rate, cfg.Workers = 0, 1
	cfg.Batch, cfg.Traces = tracesPerRequest, uint64(n*tracesPerRequest)
	report, err := tracegen.Run(ctx, cfg, nil)
	if err == nil && !report.Complete() {
		err = fmt.Errorf("some were not taken: %v", report.Errors)
	}
	return requests, err
}

// enrich cuts a request to spansPerRequest spans and gives each the attributes
// that the instrumentation of a busier shop would add.
func enrich(request []byte) ([]byte, error) {
	var decoded coltracepb.ExportTraceServiceRequest
	if err := proto.Unmarshal(request, &decoded); err != nil {
		return nil, fmt.Errorf("decode a request of tracegen: %w", err)
	}
	left := spansPerRequest
	for _, resource := range decoded.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			scope.Spans = scope.GetSpans()[:min(left, len(scope.GetSpans()))]
			left -= len(scope.GetSpans())
			for _, span := range scope.GetSpans() {
				span.Attributes = append(span.GetAttributes(), busier(span)...)
			}
		}
	}
	if left > 0 {
		return nil, fmt.Errorf("a request of tracegen lacks %d of %d spans", left, spansPerRequest)
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(&decoded)
}

func busier(span *tracepb.Span) []*commonpb.KeyValue {
	text := func(key, value string) *commonpb.KeyValue {
		return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
	}
	return []*commonpb.KeyValue{
		text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"),
		text("network.peer.address", fmt.Sprintf("10.42.%d.%d", span.GetSpanId()[6], span.GetSpanId()[7])),
	}
}

var errLayout = errors.New("BUG: a template that is no request")

// locate finds the ids: span and parent ids whole, of trace ids the last half.
func (t *template) locate() error {
	spans, traces := map[string]uint16{}, map[string]uint16{}
	var parents []int
	index := uint16(0)
	err := eachSpan(t.bytes, func(span []byte, base int) error {
		return eachField(span, func(num protowire.Number, value []byte, at int) error {
			switch {
			case num == 1 && len(value) == 16:
				trace, ok := traces[string(value)]
				if !ok {
					trace = uint16(len(traces))
					traces[string(value)] = trace
				}
				t.places = append(t.places, place{base + at + 8, trace})
			case num == 2 && len(value) == 8:
				spans[string(value)] = index
				t.places = append(t.places, place{base + at, index})
				index++
			case num == 4 && len(value) == 8:
				parents = append(parents, base+at)
			}
			return nil
		})
	})
	for _, at := range parents {
		// A parent that was cut off stays an id that nobody has.
		if of, ok := spans[string(t.bytes[at:at+8])]; ok {
			t.places = append(t.places, place{at, of})
		}
	}
	if err == nil && int(index) != spansPerRequest {
		err = errLayout
	}
	return err
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
