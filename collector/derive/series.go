package derive

import (
	"strings"
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
	// invalid stands for bytes that are no UTF-8.
	invalid = "?"
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

// kindOf and codeOf take numbers that do not exist for unspecified and unset.
func kindOf(k wire.SpanKind) uint8 {
	if k < 0 || int(k) >= kinds {
		return 0
	}
	return uint8(k)
}

func codeOf(c wire.StatusCode) uint8 {
	if c < 0 || int(c) >= codes {
		return 0
	}
	return uint8(c)
}

// key is the set of labels that makes a series.
type key struct {
	service, name string
	kind, code    uint8
	dimensions    string // packed
}

// series counts the spans of one key.
type series struct {
	histogram
	share

	labels  []*dto.LabelPair
	created *timestamppb.Timestamp
	seen    time.Time
}

// table has all series, never more than its limit. Its owner guards it.
type table struct {
	scale      scale
	names      vocabulary
	dimensions *dimensions
	series     map[key]*series
	services   map[string]int // how many series each has
	limit      int
	perService int
	spare      int           // how many of the limit are kept for overflow series
	expiry     time.Duration // 0: never
	swept      time.Time
	meters     *meters
}

func newTable(cfg Config, m *meters) *table {
	return &table{
		scale:      newScale(cfg),
		names:      cfg.Names.vocabulary(),
		dimensions: newDimensions(cfg.Dimensions),
		series:     map[key]*series{},
		services:   map[string]int{},
		limit:      cfg.MaxSeries,
		perService: cfg.MaxSeriesPerService,
		spare:      kinds * codes,
		expiry:     cfg.ExpireAfter,
		meters:     m,
	}
}

// observe counts one span, which stands for weight spans. The view is not kept.
func (t *table) observe(now time.Time, service string, span *wire.Span, weight float64) {
	kind, code, name := kindOf(span.Kind), codeOf(span.StatusCode), cut(span.Name)
	packed := t.dimensions.pack(span)
	s := t.series[key{service, string(name), kind, code, string(packed)}]
	if s == nil {
		s = t.add(now, key{service, string(name), kind, code, string(packed)})
	}
	s.seen = now
	s.observe(&t.scale, exemplarOf(span, now), s.take(weight), weight)
}

// exemplarOf leads from a duration to its span.
func exemplarOf(span *wire.Span, now time.Time) exemplar {
	e := exemplar{trace: span.TraceID, span: span.SpanID, nanos: min(int64(min(span.End, 1<<63-1)), now.UnixNano())}
	if span.End > span.Start { // Otherwise the clock was set back meanwhile.
		e.value = float64(span.End-span.Start) / 1e9
	}
	return e
}

// add begins a series, or finds the one that takes what goes beyond a limit.
func (t *table) add(now time.Time, k key) *series {
	k.name = strings.ToValidUTF8(k.name, invalid)
	regular := t.limit - t.spare
	full := func() bool { return len(t.series) >= regular || t.services[k.service] >= t.perService }
	if full() && now.Sub(t.swept) >= sweepEvery {
		t.expire(now)
	}
	if full() {
		t.meters.overflowed.Inc()
		if k.name, k.dimensions = overflow, ""; len(t.series) >= regular {
			k.service = overflow
		}
	}
	if s := t.series[k]; s != nil {
		return s
	}
	s := &series{created: timestamppb.New(now), labels: t.names.labels(k, t.dimensions)}
	t.series[k] = s
	t.services[k.service]++
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
			if t.services[k.service]--; t.services[k.service] == 0 {
				delete(t.services, k.service)
			}
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
