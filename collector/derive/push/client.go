package push

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/collector/export"
)

const (
	userAgent = "waybill-collector"
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 64 << 10
	// maxReason bounds what is told of an answer, in bytes.
	maxReason = 256
)

// newClient makes a client whose requests have the target's headers.
func newClient(t target) (*http.Client, *transport, error) {
	trust, err := t.tls.Client()
	if err != nil {
		return nil, nil, fmt.Errorf("tls: %w", err)
	}
	way := &transport{
		next: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			TLSClientConfig:     trust,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     90 * time.Second,
		},
		headers: t.headers,
	}
	return &http.Client{
		Transport: way,
		Timeout:   t.timeout,
		// A redirected POST would become a GET, without the data.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, way, nil
}

// transport adds headers, bounds answers and remembers their status. One
// request is under way at a time.
type transport struct {
	next    *http.Transport
	headers map[string]export.Secret
	url     *url.URL // where all requests go; nil: where they say
	status  int      // of the last answer; zero where nobody answered
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	request = request.Clone(request.Context())
	for name, value := range t.headers {
		request.Header.Set(name, string(value))
	}
	request.Header.Set("User-Agent", userAgent)
	if t.url != nil {
		request.URL = t.url
	}
	t.status = 0
	response, err := t.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	t.status = response.StatusCode
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(response.Body, maxAnswer), response.Body}
	return response, nil
}

// reason is an error's text as logs may have it: without the endpoint, in which
// there may be a key, and not too long.
func reason(err error) string {
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = failed.Err
	}
	text := strings.TrimSpace(err.Error())
	if len(text) > maxReason {
		text = text[:maxReason] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}
