package receive

import (
	"net/http"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/listen"
)

// guarded asks the listener's guard before anything of a request is looked at,
// its path included.
type guarded struct {
	guard  *listen.Guard
	next   http.Handler
	intake *intake
	via    transport
	refuse refuser
}

// refuser answers a request as its protocol does.
type refuser func(w http.ResponseWriter, r *http.Request, refused *refusal)

// ServeHTTP implements http.Handler.
func (h *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	err := h.guard.Admit(r.Header.Values("Authorization"), r.TLS)
	if err == nil {
		h.next.ServeHTTP(w, r)
		return
	}
	refused := unauthenticated(err)
	h.intake.meters.answered(h.signal(r), h.via, refused.outcome, began)
	h.refuse(w, r, refused)
}

// signal is what the request would have been, for the metrics.
func (h *guarded) signal(r *http.Request) journal.Signal {
	switch h.via {
	case overHTTP:
		return signalOfPath(r.URL.Path)
	case overLoki:
		return journal.Logs
	}
	return journal.Traces
}

func unauthenticated(err error) *refusal {
	return &refusal{outcomeUnauthenticated, http.StatusUnauthorized, codes.Unauthenticated, 0, err.Error()}
}

// refuseText answers in plain text.
func refuseText(w http.ResponseWriter, _ *http.Request, refused *refusal) {
	w.Header().Set("WWW-Authenticate", listen.Challenge)
	http.Error(w, refused.message, refused.http)
}

// refuseOTLP answers in the request's encoding.
func (h *httpHandler) refuseOTLP(w http.ResponseWriter, r *http.Request, refused *refusal) {
	w.Header().Set("WWW-Authenticate", listen.Challenge)
	h.refuse(w, refused, mediaTypeOf(r))
}
