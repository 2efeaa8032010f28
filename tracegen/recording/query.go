package recording

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Query says which traces to ask Jaeger's query API for: Jaeger's own, or the
// viewer's.
type Query struct {
	// URL is where the API is, without a path.
	URL string
	// Service is whose traces; empty is all services'.
	Service string
	// Lookback is from when on.
	Lookback time.Duration
	// Limit is how many traces of each service, at most.
	Limit int
}

// maxAnswer bounds one answer, in bytes, and answerTime how long it may take.
const (
	maxAnswer  = 1 << 30
	answerTime = 2 * time.Minute
)

// AddQuery asks, service by service.
func (r *Recording) AddQuery(ctx context.Context, q Query) error {
	base, err := url.Parse(q.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return fmt.Errorf("%q: want a URL that begins with http:// or https://", q.URL)
	}
	before := len(r.order)
	services := []string{q.Service}
	if q.Service == "" {
		var answer struct {
			Data []string `json:"data"`
		}
		if err := ask(ctx, base.JoinPath("api/services"), &answer); err != nil {
			return err
		}
		services = answer.Data
	}
	for _, service := range services {
		u := base.JoinPath("api/traces")
		now := time.Now()
		u.RawQuery = url.Values{
			"service": {service}, "limit": {strconv.Itoa(q.Limit)}, "lookback": {"custom"},
			"start": {strconv.FormatInt(now.Add(-q.Lookback).UnixMicro(), 10)}, "end": {strconv.FormatInt(now.UnixMicro(), 10)},
		}.Encode()
		var answer struct {
			Data json.RawMessage `json:"data"`
		}
		if err := ask(ctx, u, &answer); err != nil {
			return err
		}
		if err := r.addJaeger(answer.Data); err != nil {
			return fmt.Errorf("GET %s: %w", u.Redacted(), err)
		}
	}
	if len(r.order) == before {
		return fmt.Errorf("%s: %w", base.Redacted(), errNothing)
	}
	return nil
}

func ask(ctx context.Context, u *url.URL, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", u.Redacted(), resp.Status)
	}
	bounded := &io.LimitedReader{R: resp.Body, N: maxAnswer}
	if err := json.NewDecoder(bounded).Decode(into); err != nil {
		if bounded.N <= 0 {
			err = errors.New("the answer is too large; ask for fewer traces")
		}
		return fmt.Errorf("GET %s: %w", u.Redacted(), err)
	}
	return nil
}
