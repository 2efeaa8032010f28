package receive

import (
	"encoding/binary"
	"io"
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

// samplingCall tells services their strategies over gRPC.
type samplingCall struct{ strategies *Strategies }

// ServeHTTP implements http.Handler.
func (h *samplingCall) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !isGRPC(r) {
		w.Header().Set("Accept", "application/grpc")
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	w.Header().Set("Content-Type", "application/grpc")
	service, err := asked(r)
	if err != nil {
		refuseCall(w, refusalOf(err))
		return
	}
	answerCall(w, h.strategies.of(service).AppendProto(newFrame()))
}

// asked reads the question of a call.
func asked(r *http.Request) (service string, err error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r.Body, header[:]); err != nil {
		return "", badCall(err, "the call has no message")
	}
	length := binary.BigEndian.Uint32(header[1:])
	switch {
	case header[0] != 0:
		return "", unsupported(http.StatusOK, "questions for a strategy are not compressed")
	case length > maxQuestion:
		return "", unsupported(http.StatusOK, "the question is longer than a service's name")
	}
	message := make([]byte, length)
	if _, err := io.ReadFull(r.Body, message); err != nil {
		return "", badCall(err, "the message is cut off")
	}
	service, ok := jaeger.ServiceAsked(message)
	if !ok {
		return "", protocolError("the message is not a SamplingStrategyParameters")
	}
	return service, nil
}
