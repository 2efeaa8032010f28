package derive

import (
	"encoding/hex"
	"time"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/waybill-dev/waybill/collector/wire"
)

const (
	// overflow is the service and span name of spans beyond the limit.
	overflow = "_overflow_"
	// unknownService is the name that OpenTelemetry gives to who has none.
	unknownService = "unknown_service"
	// maxLabel is how many bytes of a name become a label.
	maxLabel = 255
	// sweepEvery is how often a full table looks for series to forget.
	sweepEvery = 10 * time.Second
)

// kinds and codes are the labels of the enumerations, by number.
const (
	kinds = int(wire.KindConsumer) + 1
	codes = int(wire.StatusError) + 1
)

func kindLabel(kind uint8) string {
	return [kinds]string{
		"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
		"SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER",
	}[kind]
}

func codeLabel(code uint8) string {
	return [codes]string{"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"}[code]
}

// key is the set of labels that makes a series.
type key struct {
	service, name string
	kind, code    uint8
}

// series counts the spans of one key.
type series struct {
	histogram

	labels  []*dto.LabelPair
	created *timestamppb.Timestamp
	seen    time.Time
}

// table has all series, never more than its limit. Its owner guards it.
type table struct {
	scale  scale
	series map[key]*series
	limit  int
	expiry time.Duration // 0: never
	swept  time.Time
	spare  int // how many of the limit are kept for overflow series
	meters *meters

	unknown []byte // unknownService, made once
}

func newTable(cfg Config, m *meters) *table {
	return &table{
		scale:  newScale(),
		series: map[key]*series{},
		limit:  cfg.MaxSeries,
		expiry: cfg.ExpireAfter,
		spare:  kinds * codes,
		meters: m,

		unknown: []byte(unknownService),
	}
}

// observe counts one span. The views are not kept.
func (t *table) observe(now time.Time, service []byte, span *wire.Span) {
	kind, code := uint8(0), uint8(0)
	if k := int(span.Kind); k > 0 && k < kinds {
		kind = uint8(k)
	}
	if c := int(span.StatusCode); c > 0 && c < codes {
		code = uint8(c)
	}
	if len(service) == 0 {
		service = t.unknown
	}
	service, name := cut(service), cut(span.Name)
	t.meters.spans.Inc()
	s := t.series[key{string(service), string(name), kind, code}]
	if s == nil {
		s = t.add(now, key{string(service), string(name), kind, code})
	}
	s.seen = now
	e := exemplar{trace: span.TraceID, span: span.SpanID, nanos: min(int64(min(span.End, 1<<63-1)), now.UnixNano())}
	if span.End > span.Start { // Otherwise the clock was set back meanwhile.
		e.value = float64(span.End-span.Start) / 1e9
	}
	s.observe(&t.scale, e)
}

// add begins a series, or finds the one that takes what goes beyond the limit.
func (t *table) add(now time.Time, k key) *series {
	regular := t.limit - t.spare
	if len(t.series) >= regular && now.Sub(t.swept) >= sweepEvery {
		t.expire(now)
	}
	if len(t.series) >= regular {
		t.meters.overflowed.Inc()
		k.service, k.name = overflow, overflow
		if s := t.series[k]; s != nil {
			return s
		}
	}
	s := &series{
		created: timestamppb.New(now),
		labels: []*dto.LabelPair{ // Sorted, as the registry wants them.
			label("service_name", k.service),
			label("span_kind", kindLabel(k.kind)),
			label("span_name", k.name),
			label("status_code", codeLabel(k.code)),
		},
	}
	t.series[k] = s
	return s
}

// expire forgets the series that no span had for a while.
func (t *table) expire(now time.Time) {
	t.swept = now
	if t.expiry == 0 {
		return
	}
	for k, s := range t.series {
		if now.Sub(s.seen) > t.expiry {
			delete(t.series, k)
			t.meters.expired.Inc()
		}
	}
}

// cut bounds a name, in between of two characters.
func cut(name []byte) []byte {
	if len(name) <= maxLabel {
		return name
	}
	n := maxLabel
	for n > 0 && !utf8.RuneStart(name[n]) {
		n--
	}
	return name[:n]
}

func label(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

func hexOf(id []byte) string { return hex.EncodeToString(id) }
