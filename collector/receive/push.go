package receive

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// format is how a request's body is to be read, as its header says.
type format struct {
	translate   translator
	compression compression
}

// pushHandler answers a protocol that is no OTLP and has requests over HTTP
// with a body and answers without one.
type pushHandler struct {
	intake   *intake
	via      transport
	signal   journal.Signal
	paths    []string
	accepted int // the status that means success
	// format reads the header. Its error is the request's answer.
	format func(r *http.Request) (format, error)
}

// ServeHTTP implements http.Handler.
func (h *pushHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	done, err := h.accept(w, r)
	if err != nil {
		refused := refusalOf(err)
		h.intake.meters.answered(h.signal, h.via, refused.outcome, began)
		if refused.retry > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(refused.retry.Seconds())))
		}
		http.Error(w, refused.message, refused.http)
		return
	}
	h.intake.meters.answered(h.signal, h.via, done.outcome(), began)
	w.WriteHeader(h.accepted)
}

func (h *pushHandler) accept(w http.ResponseWriter, r *http.Request) (receipt, error) {
	if !slices.Contains(h.paths, r.URL.Path) {
		return receipt{}, unsupported(http.StatusNotFound, "no such path; there is "+strings.Join(h.paths, " and "))
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return receipt{}, unsupported(http.StatusMethodNotAllowed, "requests are sent by POST")
	}
	f, err := h.format(r)
	if err != nil {
		return receipt{}, err
	}
	req := request{signal: h.signal, compression: f.compression, translate: f.translate, length: r.ContentLength}
	return h.intake.accept(r.Context(), req, h.intake.pace.of(w, r))
}

// contentTypeOf is the media type without its parameters, or empty when there
// is none; ok is false when it cannot be read.
func contentTypeOf(r *http.Request) (name string, ok bool) {
	text := r.Header.Get("Content-Type")
	if text == "" {
		return "", true
	}
	name, _, err := mime.ParseMediaType(text)
	return name, err == nil || errors.Is(err, mime.ErrInvalidMediaParameter)
}

// contentEncodingOf is how the body is compressed, or the request's answer.
func contentEncodingOf(r *http.Request) (compression, error) {
	c, known := compressionOf(r.Header.Get("Content-Encoding"))
	if !known {
		return c, unsupported(http.StatusUnsupportedMediaType, "content encodings are "+acceptedCompressions)
	}
	return c, nil
}
