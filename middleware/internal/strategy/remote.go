package strategy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	// patience is how long one question may take.
	patience = 10 * time.Second
	// maxAnswer bounds an answer, in bytes.
	maxAnswer = 1 << 20
)

// Config is whom a Remote asks.
type Config struct {
	// Endpoint is the server's URL, as in http://127.0.0.1:5778/sampling.
	Endpoint string
	// Service is whose strategy is asked for.
	Service string
	// Interval is how often.
	Interval time.Duration
	// Initial is the share that is recorded until there is an answer.
	Initial float64
	// Changed is told that the server does not answer, and by nil that it does
	// again; it may be called once for a change.
	Changed func(error)
}

// Remote samples by what a server says; while it does not answer, by what it has
// said last. It is safe for concurrent use.
type Remote struct {
	config  Config
	client  *http.Client
	current atomic.Pointer[sdktrace.Sampler]

	stop    context.CancelFunc
	stopped chan struct{}
}

// New makes a sampler that asks nobody yet.
func New(cfg Config) *Remote {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = 1
	r := &Remote{config: cfg, client: &http.Client{Transport: transport, Timeout: patience}}
	initial := Share(cfg.Initial)
	r.current.Store(&initial)
	return r
}

// Start begins to ask, until Shutdown.
func (r *Remote) Start() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop, r.stopped = stop, make(chan struct{})
	go r.run(ctx)
}

func (r *Remote) run(ctx context.Context) {
	defer close(r.stopped)
	ticker := time.NewTicker(r.config.Interval)
	defer ticker.Stop()
	var before []byte
	failing := false
	for {
		answer, err := r.ask(ctx)
		if err == nil && !bytes.Equal(answer, before) {
			err = r.adopt(answer)
		}
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			before = answer
		}
		if failing != (err != nil) {
			failing = err != nil
			r.config.Changed(err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

func (r *Remote) ask(ctx context.Context) ([]byte, error) {
	at, err := url.Parse(r.config.Endpoint)
	if err != nil {
		return nil, err
	}
	query := at.Query()
	query.Set("service", r.config.Service)
	at.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("server of sampling strategies answered %s", response.Status)
	}
	return answer, err
}

func (r *Remote) adopt(answer []byte) error {
	sampler, err := Parse(answer)
	if err != nil {
		return err
	}
	r.current.Store(&sampler)
	return nil
}

// Flush has nothing to send.
func (*Remote) Flush(context.Context) error { return nil }

// Shutdown ends the questions.
func (r *Remote) Shutdown(ctx context.Context) error {
	r.stop()
	select {
	case <-r.stopped:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.client.CloseIdleConnections()
	return nil
}

// ShouldSample implements sdktrace.Sampler.
func (r *Remote) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	return (*r.current.Load()).ShouldSample(p)
}

// Description implements sdktrace.Sampler.
func (*Remote) Description() string { return "JaegerRemote" }
