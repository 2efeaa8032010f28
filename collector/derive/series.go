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

// service has the series of one service. What is found by its rows is found
// without making a key.
type service struct {
	size int // how many series it has
	// rows are by dimensions and name, end to end, and then by kind and code.
	// Series that spans of other names count in are in no row.
	rows map[string]*row
	// recent has rows where row looks first; a service has few names at a time.
	recent [16]*row
}

// row is the series of one name.
type row struct {
	label  string // dimensions and name
	series [kinds * codes]*series
}

// row is that of dimensions and name; nil where there is none.
func (s *service) row(label []byte) *row {
	if len(label) == 0 {
		return s.rows[""]
	}
	at := &s.recent[(len(label)+int(label[0])+int(label[len(label)-1]))%len(s.recent)]
	if *at == nil || (*at).label != string(label) {
		if *at = s.rows[string(label)]; *at == nil {
			return nil
		}
	}
	return *at
}

// table has all series, never more than its limit. Its owner guards it.
type table struct {
	scale      *scale
	names      vocabulary
	dimensions *dimensions
	series     map[key]*series
	services   map[string]*service // those that have any
	label      []byte              // used again for each span
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
		services:   map[string]*service{},
		limit:      cfg.MaxSeries,
		perService: cfg.MaxSeriesPerService,
		spare:      kinds * codes,
		expiry:     cfg.ExpireAfter,
		meters:     m,
	}
}

// observe counts one span, which stands for weight spans. The view is not kept.
func (t *table) observe(now time.Time, o *origin, s *wire.Span, e *exemplar, weight float64) {
	of := t.find(o, s)
	if of == nil {
		of = t.add(now, o, s)
	}
	of.seen = now
	of.observe(t.scale, e, of.take(weight), weight)
}

// find is the series of a span, where it has a row. The dimensions are packed
// then for add.
func (t *table) find(o *origin, s *wire.Span) *series {
	label := cut(s.Name)
	if packed := t.dimensions.pack(o, s); len(packed) > 0 {
		t.label = append(append(t.label[:0], packed...), label...)
		label = t.label
	}
	if o.known == nil || o.known.size == 0 { // What it had may have expired.
		o.known = t.services[*o.service]
	}
	if o.known == nil {
		return nil
	}
	found := o.known.row(label)
	if found == nil {
		return nil
	}
	return found.series[int(kindOf(s.Kind))*codes+int(codeOf(s.StatusCode))]
}

// exemplarOf leads from a duration to its span. It is not of the future, after
// now, which is in nanoseconds since 1970.
func exemplarOf(s *wire.Span, now int64) exemplar {
	e := exemplar{trace: s.TraceID, span: s.SpanID, nanos: min(int64(min(s.End, 1<<63-1)), now)}
	if s.End > s.Start { // Otherwise the clock was set back meanwhile.
		e.value = float64(s.End-s.Start) / 1e9
	}
	return e
}

// add begins a series for a span that find has not found, or finds the one that
// takes what goes beyond a limit.
func (t *table) add(now time.Time, o *origin, s *wire.Span) *series {
	name := string(cut(s.Name))
	packed := string(t.dimensions.packed)
	k := key{*o.service, strings.ToValidUTF8(name, invalid), kindOf(s.Kind), codeOf(s.StatusCode), packed}
	regular := t.limit - t.spare
	full := func() bool {
		return len(t.series) >= regular || t.services[k.service] != nil && t.services[k.service].size >= t.perService
	}
	if full() && now.Sub(t.swept) >= sweepEvery {
		t.expire(now)
	}
	if full() {
		t.meters.overflowed.Inc()
		if k.name, k.dimensions = overflow, ""; len(t.series) >= regular {
			k.service = overflow
		}
	}
	if known := t.series[k]; known != nil {
		return known
	}
	made := &series{created: timestamppb.New(now), labels: t.names.labels(k, t.dimensions)}
	t.series[k] = made
	of := t.services[k.service]
	if of == nil {
		of = &service{rows: map[string]*row{}}
		t.services[k.service] = of
	}
	of.size++
	r := of.rows[k.dimensions+k.name]
	if r == nil {
		r = &row{label: k.dimensions + k.name}
		of.rows[r.label] = r
	}
	r.series[k.column()] = made
	return made
}

// column is the place of a series in its row.
func (k *key) column() int { return int(k.kind)*codes + int(k.code) }

// expire forgets the series that no span had for a while.
func (t *table) expire(now time.Time) {
	t.swept = now
	if t.expiry == 0 {
		return
	}
	for k, s := range t.series {
		if now.Sub(s.seen) > t.expiry {
			t.forget(k)
			t.meters.expired.Inc()
		}
	}
}

func (t *table) forget(k key) {
	delete(t.series, k)
	of := t.services[k.service]
	if of.size--; of.size == 0 {
		delete(t.services, k.service)
	}
	r := of.rows[k.dimensions+k.name]
	if r.series[k.column()] = nil; r.series == [kinds * codes]*series{} {
		delete(of.rows, r.label)
		clear(of.recent[:])
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
