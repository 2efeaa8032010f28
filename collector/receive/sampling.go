package receive

import (
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/waybill-dev/waybill/collector/receive/jaeger"
)

// maxQuestion is more than a call for a strategy has, in bytes: a service's name.
const maxQuestion = 64 << 10

// Strategies are what Jaeger's clients that ask are told to sample. They are
// safe for concurrent use, and may be changed while clients ask.
type Strategies struct{ current atomic.Pointer[strategies] }

type strategies struct {
	others   jaeger.Strategy
	services map[string]jaeger.Strategy
}

// Set makes services be told their strategies, and all others the first one.
// The map is the strategies' from then on.
func (s *Strategies) Set(others jaeger.Strategy, services map[string]jaeger.Strategy) {
	s.current.Store(&strategies{others, services})
}

func (s *Strategies) of(service string) jaeger.Strategy {
	current := s.current.Load()
	if of, ok := current.services[service]; ok {
		return of
	}
	return current.others
}

// strategies are those that were passed in, or one for all.
func (c SamplingConfig) strategies() *Strategies {
	if c.Strategies != nil {
		return c.Strategies
	}
	s := &Strategies{}
	s.Set(jaeger.Strategy{Probability: c.Probability}, nil)
	return s
}

// newSampling answers as Jaeger's agent does on port 5778: at / in the form
// for clients before version 1. No baggage is restricted.
func newSampling(s *Strategies) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/sampling", &samplingHandler{s, jaeger.Strategy.JSON})
	mux.Handle("/{$}", &samplingHandler{s, jaeger.Strategy.LegacyJSON})
	mux.HandleFunc("/baggageRestrictions", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, []byte("[]")) })
	return mux
}

// samplingHandler tells services their strategies in one of the forms.
type samplingHandler struct {
	strategies *Strategies
	encode     func(jaeger.Strategy) []byte
}

// ServeHTTP implements http.Handler.
func (h *samplingHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "strategies are asked for by GET", http.StatusMethodNotAllowed)
		return
	}
	asking := r.URL.Query()["service"]
	if len(asking) != 1 {
		http.Error(w, "'service' parameter must be provided once", http.StatusBadRequest)
		return
	}
	writeJSON(w, h.encode(h.strategies.of(asking[0])))
}

func writeJSON(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", jsonType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// answer tells a service its strategy over gRPC.
func (s *Strategies) answer(question []byte) ([]byte, error) {
	service, ok := jaeger.ServiceAsked(question)
	if !ok {
		return nil, protocolError("the message is not a SamplingStrategyParameters")
	}
	return s.of(service).AppendProto(nil), nil
}
