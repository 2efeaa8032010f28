package derive

import (
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
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
	about   *finder            // the service's name, and the dimensions

	// At hand:
	now    time.Time
	nanos  int64 // of now, since 1970
	origin *origin
	view   view
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
		about: newFinder(append([]string{"service.name"}, cfg.Dimensions...)),
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
		if records[i].Signal == journal.Traces && !s.request(records[i].Payload) {
			s.meters.malformed.Inc()
		}
	}
	s.view = view{} // The memory is the journal's.
	s.meters.spans.Add(float64(s.spans))
}

// The tags on the way from a request to its spans.
const (
	groupTag    = 1<<3 | bytesType // ResourceSpans in a request
	resourceTag = 1<<3 | bytesType // Resource in ResourceSpans
	scopeTag    = 2<<3 | bytesType // ScopeSpans in ResourceSpans
	spanTag     = 2<<3 | bytesType // Span in ScopeSpans
)

// request counts the spans of an encoded ExportTraceServiceRequest, in the
// order of the bytes. False says that it ends before its time.
func (s *scan) request(b []byte) bool {
	return each(b, groupTag, func(group []byte) bool {
		var resource []byte // It may stand behind the spans.
		each(group, resourceTag, func(part []byte) bool {
			resource = join(resource, part)
			return true
		})
		s.enter(resource)
		return each(group, scopeTag, s.scope)
	})
}

// scope counts the spans of a ScopeSpans.
func (s *scan) scope(b []byte) bool {
	for len(b) > 0 {
		tag, _, span, size := field(b)
		if size == 0 {
			return false
		}
		if tag == spanTag {
			if !s.view.parse(span) {
				return false
			}
			s.observe()
		}
		b = b[size:]
	}
	return true
}

// each visits the fields of that tag, until visit returns false or there is no
// other one; with true that is the end of the message.
func each(message []byte, tag byte, visit func([]byte) bool) bool {
	for len(message) > 0 {
		t, _, data, size := field(message)
		if size == 0 || t == tag && !visit(data) {
			return false
		}
		message = message[size:]
	}
	return true
}

// observe counts the span at hand.
func (s *scan) observe() {
	s.spans++
	w := 1.0
	if s.adjust && len(s.view.state) > 0 {
		w = weight(s.view.state)
	}
	e := exemplarOf(&s.view, s.nanos)
	s.red.observe(s.now, s.origin, &s.view, &e, w)
	if s.graph != nil {
		s.graph.observe(s.origin.service, &s.view, &e, w)
	}
}

// enter takes in the resource of the spans that follow.
func (s *scan) enter(resource []byte) {
	if s.origin = s.origins[string(resource)]; s.origin != nil {
		return
	}
	s.about.look(resource, resourceAttributeTag)
	s.origin = &origin{service: s.texts.of(cut(s.about.text(0))), dimensions: make([]string, len(s.about.keys)-1)}
	if *s.origin.service == "" {
		s.origin.service = new(unknownService)
	}
	if s.graph != nil {
		s.graph.enter(*s.origin.service)
	}
	for i := range s.origin.dimensions {
		s.origin.dimensions[i] = string(cut(appendValue(nil, s.about.values[i+1])))
	}
	if len(resource) > maxOriginBytes {
		return
	}
	if len(s.origins) >= maxOrigins {
		clear(s.origins)
	}
	s.origins[string(resource)] = s.origin
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
