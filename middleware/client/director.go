package client

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// attemptKey finds the attempt of a context.
type attemptKey struct{}

// attempt is one try at an instance, and the context of its request.
type attempt struct {
	context.Context
	cancel   context.CancelFunc
	endpoint *Endpoint
	number   int  // of those before it in the same call
	hedge    bool // another is under way
	// lost says that the other has answered, so that this one was given up.
	lost atomic.Bool
	// late says that it is the attempt's own time that is over.
	late atomic.Bool
}

// Value is as in context.Context.
func (a *attempt) Value(key any) any {
	if _, ours := key.(attemptKey); ours {
		return a
	}
	return a.Context.Value(key)
}

// Err is as in context.Context: an attempt that is late was not canceled by
// its caller.
func (a *attempt) Err() error {
	err := a.Context.Err()
	if err != nil && a.late.Load() {
		return context.DeadlineExceeded
	}
	return err
}

// timedOut ends the attempt.
func (a *attempt) timedOut() {
	a.late.Store(true)
	a.cancel()
}

// errLate is what an attempt gives that has no headers in time. It is a
// net.Error.
type errLate struct{}

func (errLate) Error() string   { return "no response within the time of an attempt" }
func (errLate) Timeout() bool   { return true }
func (errLate) Temporary() bool { return true }
func (errLate) Unwrap() error   { return context.DeadlineExceeded }

// director sends each attempt to its instance. It lies beneath the
// observation, so that spans and metrics name the service; they would have as
// many series as there ever were instances.
type director struct {
	base http.RoundTripper

	mu sync.Mutex
	// secure are the copies of base that ask for the certificate of a service.
	secure map[string]*http.Transport
}

func newDirector(base http.RoundTripper) *director {
	return &director{base: base, secure: map[string]*http.Transport{}}
}

// RoundTrip is as in http.RoundTripper.
func (d *director) RoundTrip(r *http.Request) (*http.Response, error) {
	a, _ := r.Context().Value(attemptKey{}).(*attempt)
	address, transport := a.endpoint.address, d.base
	if span := trace.SpanFromContext(r.Context()); span.IsRecording() {
		span.SetAttributes(semconv.ClientInstance.String(address))
		if a.hedge {
			span.SetAttributes(semconv.ClientHedge.Bool(true))
		}
	}
	if address != r.URL.Host {
		transport = d.transport(r)
		r = directed(r, address)
	}
	response, err := transport.RoundTrip(r)
	if err != nil && a.late.Load() {
		return nil, errLate{}
	}
	return response, err
}

// directed is the request with the address of an instance in its URL, and the
// service in its Host header.
func directed(r *http.Request, address string) *http.Request {
	sent := r.WithContext(r.Context())
	url := *r.URL
	url.Host = address
	sent.URL = &url
	if sent.Host == "" {
		sent.Host = r.URL.Host
	}
	return sent
}

// transport is the one for the service of the request.
func (d *director) transport(r *http.Request) http.RoundTripper {
	base, is := d.base.(*http.Transport)
	if !is || r.URL.Scheme != "https" || base.TLSClientConfig != nil && base.TLSClientConfig.ServerName != "" {
		return d.base
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if found := d.secure[r.URL.Host]; found != nil {
		return found
	}
	made := base.Clone()
	if made.TLSClientConfig == nil {
		made.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	made.TLSClientConfig.ServerName = r.URL.Hostname()
	d.secure[r.URL.Host] = made
	return made
}

// forget closes what a service has of its own.
func (d *director) forget(service string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if found := d.secure[service]; found != nil {
		found.CloseIdleConnections()
		delete(d.secure, service)
	}
}

func (d *director) closeIdle() {
	if closer, can := d.base.(interface{ CloseIdleConnections() }); can {
		closer.CloseIdleConnections()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, transport := range d.secure {
		transport.CloseIdleConnections()
	}
}

var _ net.Error = errLate{}
