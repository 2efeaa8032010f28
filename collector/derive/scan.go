package derive

import (
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

const (
	// maxInterned bounds the texts that are kept to be used again.
	maxInterned = 4096
	// maxOrigins and maxOriginBytes bound the resources that are remembered.
	maxOrigins     = 512
	maxOriginBytes = 4 << 10
)

// scan goes over records once, for all that is derived from spans. It is used
// by one goroutine.
type scan struct {
	red    *red
	graph  *graph // nil: off
	adjust bool
	meters *meters

	texts   interned
	origins map[string]*origin // by encoded resource
	about   *wire.Finder       // the service's name, and the dimensions
	pass    wire.SpanPass

	// At hand:
	now    time.Time
	nanos  int64 // of now, since 1970
	origin *origin
	spans  int
}

// origin is what there is to know of a resource.
type origin struct {
	service    *string
	dimensions []string // as labels have them
	known      *service // nil: it had no series when it was looked for
}

func newScan(cfg Config, m *meters) *scan {
	s := &scan{
		red: newRED(cfg, m), adjust: cfg.AdjustCounts, meters: m, texts: interned{}, origins: map[string]*origin{},
		about: wire.NewFinder(append([]string{"service.name"}, cfg.Dimensions...)),
	}
	if cfg.Graph.Enabled {
		s.graph = newGraph(cfg, m, s.texts)
	}
	return s
}

// register has a registry gather what is derived.
func (s *scan) register(reg prometheus.Registerer) error {
	if s.graph == nil {
		return reg.Register(s.red)
	}
	return errors.Join(reg.Register(s.red), reg.Register(s.graph))
}

// count takes in the spans of records. Records that are no traces are passed.
func (s *scan) count(now time.Time, records []journal.Record) {
	s.red.mu.Lock()
	defer s.red.mu.Unlock()
	if s.graph != nil {
		s.graph.mu.Lock()
		defer s.graph.mu.Unlock()
		s.graph.now = now
	}
	s.now, s.nanos, s.spans = now, now.UnixNano(), 0
	for i := range records {
		if s.graph != nil {
			s.graph.pairs.advance(records[i].Time)
		}
		if records[i].Signal == journal.Traces && s.pass.Over(records[i].Payload, s) != nil {
			s.meters.malformed.Inc() // It ends before its time.
		}
	}
	s.meters.spans.Add(float64(s.spans))
}

// Visit counts a span of the resource at hand. It implements wire.SpanVisitor,
// and returns no error.
func (s *scan) Visit(span *wire.Span) error {
	s.spans++
	w := 1.0
	if s.adjust && len(span.TraceState) > 0 {
		w = weight(span.TraceState)
	}
	e := exemplarOf(span, s.nanos)
	s.red.observe(s.now, s.origin, span, &e, w)
	if s.graph != nil {
		s.graph.observe(s.origin.service, span, &e, w)
	}
	return nil
}

// Enter takes in the resource of the spans that follow. It implements
// wire.SpanVisitor.
func (s *scan) Enter(resource *wire.Resource) {
	if s.origin = s.origins[string(resource.Raw)]; s.origin != nil {
		return
	}
	s.about.Find(resource.Attributes)
	s.origin = &origin{service: s.texts.of(cut(s.about.Text(0))), dimensions: make([]string, s.about.Len()-1)}
	if *s.origin.service == "" {
		s.origin.service = new(unknownService)
	}
	if s.graph != nil {
		s.graph.enter(*s.origin.service)
	}
	for i := range s.origin.dimensions {
		s.origin.dimensions[i] = string(cut(appendValue(nil, s.about.Value(i+1))))
	}
	if len(resource.Raw) > maxOriginBytes {
		return
	}
	if len(s.origins) >= maxOrigins {
		clear(s.origins)
	}
	s.origins[string(resource.Raw)] = s.origin
}

// idle lets time pass while nothing comes.
func (s *scan) idle(now time.Time) {
	if s.graph != nil {
		s.graph.mu.Lock()
		defer s.graph.mu.Unlock()
		s.graph.now = now
		s.graph.pairs.advance(now)
	}
}

// interned has texts that come again and again, so that each is in memory
// once. When there are too many it begins anew.
type interned map[string]*string

// of is the text of bytes, without those that are no UTF-8.
func (m interned) of(b []byte) *string {
	if text, ok := m[string(b)]; ok {
		return text
	}
	if len(m) >= maxInterned {
		clear(m)
	}
	key := string(b)
	m[key] = new(strings.ToValidUTF8(key, invalid))
	return m[key]
}
