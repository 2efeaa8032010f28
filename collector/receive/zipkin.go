package receive

import (
	"net/http"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/receive/zipkin"
)

// newZipkin takes lists of spans in Zipkin's second format.
func newZipkin(in *intake) http.Handler {
	return &pushHandler{
		intake: in, via: overZipkin, signal: journal.Traces,
		paths: []string{"/api/v2/spans"}, accepted: http.StatusAccepted, format: zipkinFormat,
	}
}

// zipkinFormat takes for JSON what does not say that it is protobuf, as Zipkin
// does: old reporters send no media type, or text/plain.
func zipkinFormat(r *http.Request) (format, error) {
	compressed, err := contentEncodingOf(r)
	if name, _ := contentTypeOf(r); name == protobufType {
		return format{zipkin.FromProtobuf, compressed}, err
	}
	return format{zipkin.FromJSON, compressed}, err
}
