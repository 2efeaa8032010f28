package httpmw

import (
	"net/http"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
)

// config is what the options come to.
type config struct {
	source                          Telemetry
	trace, public                   func(*http.Request) bool
	clientAddress                   func(*http.Request) string
	propagateTo                     func(host string) bool
	untilHeaders                    bool
	bodySizes                       bool
	phases                          bool
	serverTiming                    bool
	requestHeaders, responseHeaders []captured
	redacted                        []string
	methods                         []string
	early                           bool // somebody may look at the attributes of a span that starts
}

func newConfig(opts []Option) config {
	cfg := config{source: instrument.Globals{}, redacted: secretParameters()}
	for _, opt := range opts {
		opt.apply(&cfg)
	}
	cfg.early = instrument.AttributesAtStart(cfg.source)
	return cfg
}

// traced says whether the request is to have a span.
func (c *config) traced(r *http.Request) bool { return c.trace == nil || c.trace(r) }
