// Package shopper is the customers of the demo shop. They come when they are
// due, however slow the shop is, look around, and most of them buy; most of what
// they order is fine, and some of them look what became of it. They take part in
// no trace: what they ask for begins one at the gateway.
package shopper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Report is what came of the visits.
type Report struct {
	// Looked are visitors who bought nothing. Of the others' orders, Confirmed
	// ones were answered 201, Refused ones 4xx, Failed ones 5xx or not at all.
	// Missed ones were not placed, because too many were waiting.
	Looked, Confirmed, Refused, Failed, Missed int64
}

// Orders is how many were due.
func (r Report) Orders() int64 { return r.Confirmed + r.Refused + r.Failed + r.Missed }

// shopper is one run.
type shopper struct {
	config Config
	client *http.Client
	logger *slog.Logger
	// places are for those who wait for the shop.
	places chan struct{}
	// sessions are those of the customers who have signed in.
	sessions sessions
	tally    *tally
	// away is whether the shop did not answer at all the last time.
	away atomic.Bool
}

func newShopper(cfg Config, client *http.Client, logger *slog.Logger) *shopper {
	return &shopper{config: cfg, client: client, logger: logger, places: make(chan struct{}, cfg.Parallel), tally: newTally()}
}

// Run has visitors come until the context ends, and returns when no request is
// under way any more. Its metrics go to the registerer. The error is one of the
// configuration, or of a metric's name that is taken.
func Run(ctx context.Context, cfg Config, registerer prometheus.Registerer, logger *slog.Logger) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, fmt.Errorf("shopper: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = cfg.Parallel
	defer transport.CloseIdleConnections()
	s := newShopper(cfg, &http.Client{Transport: transport}, logger)
	start := time.Now()
	if err := s.tally.register(registerer, cfg.pacer(), start); err != nil {
		return Report{}, fmt.Errorf("shopper: %w", err)
	}
	s.run(ctx, start)
	return s.tally.report(), nil
}

// run lets visitors in when they are due, and waits for those inside.
func (s *shopper) run(ctx context.Context, start time.Time) {
	var inside sync.WaitGroup
	defer inside.Wait()
	due := s.config.pacer()
	coming := newCustomers(s.config.Seed, s.config.share())
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0.0; ; n++ {
		timer.Reset(max(0, due.When(n*s.config.share())-time.Since(start)))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		v := coming.next()
		if len(s.places) == cap(s.places) {
			if v.buys {
				s.tally.add(missed)
			}
			continue
		}
		inside.Go(func() { s.serve(ctx, v) })
	}
}

// note logs that the shop has stopped to answer, and that it answers again:
// once each, however many customers see it.
func (s *shopper) note(err error) {
	switch {
	case err != nil && !s.away.Swap(true):
		s.logger.Warn("the shop does not answer", "gateway", s.config.GatewayURL, "error", err)
	case err == nil && s.away.Swap(false):
		s.logger.Info("the shop answers again", "gateway", s.config.GatewayURL)
	}
}

// call is one request of a customer, who has a token or none.
type call struct {
	method, path, token string
	body                []byte
}

// reply is what came of a call: the status, where the order is, and the body.
type reply struct {
	status   int
	location string
	body     []byte
}

// send makes one request, once there is a place, and reads the answer.
func (s *shopper) send(ctx context.Context, c call) (r reply, err error) {
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	case <-ctx.Done():
		return r, ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	if !strings.HasPrefix(c.path, "/") {
		return r, errors.New("the shop did not say where the order is")
	}
	request, err := http.NewRequestWithContext(ctx, c.method, strings.TrimSuffix(s.config.GatewayURL, "/")+c.path, bytes.NewReader(c.body))
	if err != nil {
		return r, err
	}
	if c.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	request.Header.Set("User-Agent", "waybill-shopper")
	response, err := s.client.Do(request)
	if err != nil {
		return r, err
	}
	defer func() { _ = response.Body.Close() }()
	// Reading to the end lets the connection be used again.
	if r.body, err = io.ReadAll(io.LimitReader(response.Body, 1<<20)); err != nil {
		return r, fmt.Errorf("read answer: %w", err)
	}
	r.status, r.location = response.StatusCode, response.Header.Get("Location")
	return r, nil
}
