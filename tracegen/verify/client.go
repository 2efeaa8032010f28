package verify

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// client reads traces from Jaeger's query API, version 1.
type client struct {
	base      *url.URL
	http      *http.Client
	transport *http.Transport
}

// span is what is compared of a span.
type span struct {
	id, parent    uint64
	service, name string
}

// answerTime bounds one question.
const answerTime = 30 * time.Second

func newClient(base string, connections int) (*client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q: want a URL that begins with http:// or https://", base)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = connections
	return &client{base: u, http: &http.Client{Transport: transport, Timeout: answerTime}, transport: transport}, nil
}

func (c *client) close() { c.transport.CloseIdleConnections() }

// jaegerTrace is a trace as Jaeger's API has it.
type jaegerTrace struct {
	Spans []struct {
		SpanID     string `json:"spanID"`
		Name       string `json:"operationName"`
		ProcessID  string `json:"processID"`
		References []struct {
			Type   string `json:"refType"`
			SpanID string `json:"spanID"`
		} `json:"references"`
	} `json:"spans"`
	Processes map[string]struct {
		Service string `json:"serviceName"`
	} `json:"processes"`
}

// trace returns the spans of a trace that are there; none is no error.
func (c *client) trace(ctx context.Context, id [16]byte) ([]span, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath("api/traces", hex.EncodeToString(id[:])).String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNotFound {
		_, err := io.Copy(io.Discard, resp.Body) // so that the connection is used again
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", req.URL, resp.Status)
	}
	var body struct {
		Data []jaegerTrace `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		return nil, fmt.Errorf("GET %s: %w", req.URL, err)
	}
	var spans []span
	for _, t := range body.Data {
		found, err := t.spans()
		if err != nil {
			return nil, fmt.Errorf("GET %s: %w", req.URL, err)
		}
		spans = append(spans, found...)
	}
	return spans, nil
}

func (t jaegerTrace) spans() ([]span, error) {
	spans := make([]span, 0, len(t.Spans))
	for _, s := range t.Spans {
		id, err := strconv.ParseUint(s.SpanID, 16, 64)
		if err != nil {
			return nil, err
		}
		// The parent is a reference of the first type; a link to it may have
		// become one of the second.
		var parent uint64
		for i, r := range s.References {
			if i > 0 && r.Type != "CHILD_OF" {
				continue
			}
			if parent, err = strconv.ParseUint(r.SpanID, 16, 64); err != nil {
				return nil, err
			}
		}
		spans = append(spans, span{id, parent, t.Processes[s.ProcessID].Service, s.Name})
	}
	return spans, nil
}

// counts is what a sink has counted of log records and points; known is false
// of others, who cannot be asked.
func (c *client) counts(ctx context.Context) (logs, points uint64, known bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath("counts").String(), nil)
	if err != nil {
		return 0, 0, false, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, 0, false, err
	}
	defer func() { _ = resp.Body.Close() }()
	var counted struct {
		Logs   *uint64 `json:"logs"`
		Points *uint64 `json:"metric_points"`
	}
	if resp.StatusCode != http.StatusOK || json.NewDecoder(resp.Body).Decode(&counted) != nil || counted.Logs == nil || counted.Points == nil {
		return 0, 0, false, nil // It is no sink.
	}
	return *counted.Logs, *counted.Points, true, nil
}
