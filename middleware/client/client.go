// Package client calls other services over HTTP. It is a round tripper, so it
// goes into an http.Client; the host of a request's URL is the service to call,
// as in http://order/orders/42:
//
//	calls, err := client.New(nil, client.WithDiscovery(client.Cached(client.DNS{Port: 8080}, 10*time.Second, time.Hour)))
//	…
//	orders := http.Client{Transport: calls}
//
// A call finds the instances of the service, chooses one, and goes to another
// when that makes sense: the request may be repeated, the failure may pass, time
// is left, and the service is not in such trouble that repeating makes it worse.
// An instance that keeps failing is left alone by its circuit breaker.
//
// All of that is visible. A call is a span of its own, "GET order", with the
// attempts as client spans beneath it; retries, the reason why there was none,
// and what the circuit breakers do are events of it and metrics.
package client

import (
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/httpmw"
	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// ScopeName is the instrumentation scope of the spans of calls; those of the
// attempts are httpmw's.
const ScopeName = "github.com/waybill-dev/waybill/middleware/client"

// Client calls services. It is an http.RoundTripper, has no goroutines that outlive
// a call, and is safe for concurrent use.
type Client struct {
	config
	tracer   trace.Tracer
	names    *instrument.Texts[operation]
	metrics  *metrics
	director *director
	observed http.RoundTripper // makes the spans of attempts; the director lies beneath it
	services services
}

// New makes a client whose requests go through base, or http.DefaultTransport
// if it is nil. Over https the instances must show certificates of the service,
// not of their addresses; for this base must be an *http.Transport, of which
// each service gets a copy that asks for its name. An error is what options
// that make no sense give, or a name that is taken in the registry.
//
// A response's body must be read to its end or closed: until then the instance
// counts as busy.
func New(base http.RoundTripper, opts ...Option) (*Client, error) {
	if base == nil {
		base = http.DefaultTransport
	}
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	c := &Client{config: cfg, director: newDirector(base), names: instrument.NewTexts(operation.name)}
	c.observed, err = httpmw.NewTransport(c.director, append([]httpmw.Option{httpmw.WithTelemetry(cfg.source)}, cfg.http...)...)
	if err != nil {
		return nil, err
	}
	c.metrics, err = newMetrics(cfg.source)
	if err != nil {
		return nil, err
	}
	c.tracer = cfg.source.TracerProvider().Tracer(ScopeName, trace.WithSchemaURL(semconv.SchemaURL))
	c.services.fresh = c.newService
	c.services.forget = c.forgetService
	return c, nil
}

// RoundTrip is as in http.RoundTripper. When no attempt has been answered, the
// error is that of the last one, or one that wraps ErrNoInstance or
// ErrCircuitOpen. An answer that might be retried, but was not, is returned as
// it is.
func (c *Client) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL == nil {
		closeBody(r)
		return nil, errors.New("client: a request without a URL")
	}
	call := c.begin(r)
	response, err := call.run()
	if err != nil {
		call.end(0, err)
		return nil, err
	}
	response.Request = r // which a redirect is relative to
	return response, nil
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (c *Client) CloseIdleConnections() { c.director.closeIdle() }
