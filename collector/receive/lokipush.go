package receive

import (
	"net/http"
	"strings"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/receive/loki"
)

// tenantHeader names whose logs they are, where one Loki serves several.
const tenantHeader = "X-Scope-OrgID"

// newLoki takes what Loki's clients push. The second path is the one of
// clients from before Loki 1.0.
func newLoki(in *intake) http.Handler {
	return &pushHandler{
		intake: in, via: overLoki, signal: journal.Logs,
		paths: []string{"/loki/api/v1/push", "/api/prom/push"}, accepted: http.StatusNoContent, format: lokiFormat,
	}
}

// lokiFormat takes for snappy what does not say that it is JSON, as Loki does.
// The snappy of protobuf is part of the format: few clients name it.
func lokiFormat(r *http.Request) (format, error) {
	tenant := r.Header.Get(tenantHeader)
	name, ok := contentTypeOf(r)
	switch {
	case ok && name == jsonType:
		compressed, err := contentEncodingOf(r)
		return format{func(payload []byte, admit func(int64) error) ([]byte, error) {
			return loki.FromJSON(payload, tenant, admit)
		}, compressed}, err
	case ok && (name == "" || name == protobufType):
		if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "snappy") {
			return format{}, unsupported(http.StatusUnsupportedMediaType, "protobuf is pushed in snappy's block format")
		}
		return format{func(payload []byte, admit func(int64) error) ([]byte, error) {
			return loki.FromSnappy(payload, tenant, admit)
		}, identity}, nil
	}
	return format{}, unsupported(http.StatusUnsupportedMediaType, "requests are "+protobufType+" or "+jsonType)
}
