package tracegen

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

// httpSender posts OTLP over HTTP (opentelemetry-proto, docs/specification.md).
type httpSender struct {
	url       string
	client    *http.Client
	transport *http.Transport
}

func newHTTPSender(endpoint string, connections int) (*httpSender, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("endpoint %q: want a URL that begins with http:// or https://", endpoint)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = connections
	transport.DisableCompression = true
	return &httpSender{url: u.JoinPath("v1/traces").String(), client: &http.Client{Transport: transport}, transport: transport}, nil
}

func (s *httpSender) close() error {
	s.transport.CloseIdleConnections()
	return nil
}

func (s *httpSender) send(ctx context.Context, request []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(request))
	if err != nil {
		return answer{}, &refusal{reason: err.Error()}
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "waybill-tracegen")
	resp, err := s.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode/100 == 2 {
		return parseAnswer(body)
	}
	return answer{}, httpRefusal(resp)
}

// httpRefusal tells the statuses that the specification calls retryable from
// all others.
func httpRefusal(resp *http.Response) *refusal {
	r := &refusal{reason: "HTTP " + resp.Status}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		r.retryable = true
	}
	if seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16); err == nil {
		r.after = time.Duration(seconds) * time.Second
	}
	return r
}
