// Package shopper is the customers of the demo shop. They come at a steady
// rate, however slow the shop is; most of what they order is fine, and some of
// them look what became of it. They take part in no trace: an order's trace
// begins at the gateway.
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
)

// Report is what came of the orders.
type Report struct {
	// Confirmed orders were answered 201, Refused ones 4xx, Failed ones 5xx or
	// not at all. Missed ones were not placed, because too many were waiting.
	Confirmed, Refused, Failed, Missed int64
}

// Orders is how many were due.
func (r Report) Orders() int64 { return r.Confirmed + r.Refused + r.Failed + r.Missed }

// shopper is one run.
type shopper struct {
	config Config
	client *http.Client
	logger *slog.Logger
	// sessions are those of the customers who have signed in.
	sessions sessions

	confirmed, refused, failed, missed atomic.Int64
	// away is whether the shop did not answer at all the last time.
	away atomic.Bool
}

// Run places orders until the context ends, and returns when no request is
// under way any more. The error is one of the configuration.
func Run(ctx context.Context, cfg Config, logger *slog.Logger) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, fmt.Errorf("shopper: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = cfg.Parallel
	defer transport.CloseIdleConnections()
	s := &shopper{config: cfg, client: &http.Client{Transport: transport}, logger: logger}
	s.run(ctx)
	return s.report(), nil
}

// run lets customers in when they are due, and waits for those inside.
func (s *shopper) run(ctx context.Context) {
	var inside sync.WaitGroup
	defer inside.Wait()
	places := make(chan struct{}, s.config.Parallel)
	coming := newCustomers(s.config.Seed)
	timer := time.NewTimer(0)
	defer timer.Stop()
	start := time.Now()
	for n := uint64(0); ; n++ {
		timer.Reset(pacer(s.config.Rate).wait(time.Since(start), n))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		v := coming.next()
		select {
		case places <- struct{}{}:
		default:
			s.missed.Add(1)
			continue
		}
		inside.Go(func() {
			defer func() { <-places }()
			s.serve(ctx, v)
		})
	}
}

func (s *shopper) report() Report {
	return Report{Confirmed: s.confirmed.Load(), Refused: s.refused.Load(), Failed: s.failed.Load(), Missed: s.missed.Load()}
}

// serve has one customer place an order, look at it, and think better of it.
func (s *shopper) serve(ctx context.Context, v visit) {
	token := s.signIn(ctx, v.user)
	placed, err := s.send(ctx, call{http.MethodPost, "/api/v1/orders", token, v.order})
	status := placed.status
	switch {
	case err != nil && ctx.Err() != nil:
		return // The demo ends; nobody is to blame.
	case err != nil:
		s.failed.Add(1)
	case status == http.StatusCreated:
		s.confirmed.Add(1)
	case status < http.StatusInternalServerError:
		s.refused.Add(1)
	default:
		s.failed.Add(1)
	}
	s.note(err)
	if status != http.StatusCreated {
		return
	}
	var after []call
	if v.looks {
		after = append(after, call{http.MethodGet, placed.location, token, nil})
	}
	if v.cancels {
		after = append(after, call{http.MethodPost, placed.location + "/cancel", token, nil})
	}
	for _, c := range after {
		if _, err := s.send(ctx, c); ctx.Err() == nil {
			s.note(err)
		}
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

// send makes one request and reads the answer.
func (s *shopper) send(ctx context.Context, c call) (r reply, err error) {
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
