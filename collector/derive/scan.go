package derive

import (
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// maxInterned bounds the texts that are kept to be used again.
const maxInterned = 4096

// scan goes over records once, for all that is derived from spans. It is used
// by one goroutine.
type scan struct {
	red    *red
	graph  *graph // nil: off
	adjust bool
	meters *meters

	texts interned
	// The resource at hand, and the name of its service.
	resource []byte
	service  string
}

func newScan(cfg Config, m *meters) *scan {
	s := &scan{red: newRED(cfg, m), adjust: cfg.AdjustCounts, meters: m, texts: interned{}}
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
	spans := 0
	visit := func(resource *wire.Resource, _ *wire.Scope, span *wire.Span) error {
		if !same(s.resource, resource.Raw) {
			s.enter(resource)
		}
		spans++
		w := 1.0
		if s.adjust && len(span.TraceState) > 0 {
			w = weight(span.TraceState)
		}
		s.red.observe(now, s.service, span, w)
		if s.graph != nil {
			s.graph.observe(s.service, span, w)
		}
		return nil
	}
	for i := range records {
		if s.graph != nil {
			s.graph.pairs.advance(records[i].Time)
		}
		if records[i].Signal != journal.Traces {
			continue
		}
		s.resource = nil
		if wire.WalkSpans(records[i].Payload, visit) != nil {
			s.meters.malformed.Inc()
		}
	}
	s.resource = nil // The memory is the journal's.
	s.meters.spans.Add(float64(spans))
}

// enter takes in the resource of the spans that follow.
func (s *scan) enter(resource *wire.Resource) {
	s.resource = resource.Raw
	s.service = s.texts.of(cut(resource.ServiceName()))
	if s.service == "" {
		s.service = unknownService
	}
	s.red.enter(resource)
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

// same says whether two slices are one and the same memory.
func same(a, b []byte) bool {
	return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0]
}

// interned has texts that come again and again, so that each is in memory
// once. When there are too many it begins anew.
type interned map[string]string

// of is the text of bytes, without those that are no UTF-8.
func (m interned) of(b []byte) string {
	if text, ok := m[string(b)]; ok {
		return text
	}
	if len(m) >= maxInterned {
		clear(m)
	}
	key := string(b)
	m[key] = strings.ToValidUTF8(key, invalid)
	return m[key]
}
