package httpmw

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// phases are when what a request waits for has begun and ended. A connection
// that is being made may outlive the request that has asked for it, if another
// became free, and several addresses may be tried at once, so it is locked.
type phases struct {
	began time.Time

	mu                    sync.Mutex
	resolve, connect, tls phase
	firstByte             time.Time
	connected, reused     bool
}

type phase struct{ began, ended time.Time }

// begin keeps the first time, as of several addresses that are tried.
func (p *phase) begin() {
	if p.began.IsZero() {
		p.began = time.Now()
	}
}

// end keeps the first time, too.
func (p *phase) end() {
	if p.ended.IsZero() {
		p.ended = time.Now()
	}
}

// watch has the phases told in a request of the context.
func (p *phases) watch(ctx context.Context) context.Context {
	locked := func(do func()) {
		p.mu.Lock()
		defer p.mu.Unlock()
		do()
	}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:     func(httptrace.DNSStartInfo) { locked(p.resolve.begin) },
		DNSDone:      func(httptrace.DNSDoneInfo) { locked(p.resolve.end) },
		ConnectStart: func(string, string) { locked(p.connect.begin) },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				locked(p.connect.end)
			}
		},
		TLSHandshakeStart: func() { locked(p.tls.begin) },
		TLSHandshakeDone:  func(tls.ConnectionState, error) { locked(p.tls.end) },
		GotConn: func(info httptrace.GotConnInfo) {
			locked(func() { p.connected, p.reused = true, info.Reused })
		},
		GotFirstResponseByte: func() { locked(func() { p.firstByte = time.Now() }) },
	})
}

// describe adds the phases that have ended. Of a connection that was there
// before there are none: what was begun in vain the request did not wait for.
func (p *phases) describe(scratch *instrument.Scratch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.connected {
		scratch.Add(semconv.HTTPConnectionReused.Bool(p.reused))
	}
	if !p.reused {
		if took, ended := p.resolve.took(); ended {
			scratch.Add(semconv.HTTPResolveDuration.Float64(took))
		}
		if took, ended := p.connect.took(); ended {
			scratch.Add(semconv.HTTPConnectDuration.Float64(took))
		}
		if took, ended := p.tls.took(); ended {
			scratch.Add(semconv.HTTPTLSDuration.Float64(took))
		}
	}
	if !p.firstByte.IsZero() {
		scratch.Add(semconv.HTTPFirstByteDuration.Float64(p.firstByte.Sub(p.began).Seconds()))
	}
}

// took is in seconds.
func (p phase) took() (seconds float64, ended bool) {
	if p.began.IsZero() || p.ended.IsZero() {
		return 0, false
	}
	return p.ended.Sub(p.began).Seconds(), true
}
