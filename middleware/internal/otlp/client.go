package otlp

import (
	stdbytes "bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	firstWait   = 250 * time.Millisecond
	longestWait = 5 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 64 << 10
)

// Client posts the requests of one signal over HTTP (opentelemetry-proto,
// docs/specification.md, OTLP/HTTP). It is safe for concurrent use.
type Client struct {
	Endpoint string
	Header   http.Header
	// Timeout bounds one request with all its repetitions.
	Timeout time.Duration
	Gzip    bool
	HTTP    *http.Client
	// Idle closes what the client keeps open between requests; it may be nil.
	Idle func()
}

// Refused is an answer that says no.
type Refused struct {
	Status  int
	Message string
	// wait is what the server's Retry-After asks for.
	wait time.Duration
}

func (r *Refused) Error() string {
	text := fmt.Sprintf("answered %d %s", r.Status, http.StatusText(r.Status))
	if r.Message != "" {
		text += ": " + r.Message
	}
	return text
}

// retryable is as in the specification: nothing else may be sent again.
func (r *Refused) retryable() bool {
	switch r.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// Send posts a request until it is answered finally or its time is over. It
// tells how many items the server has taken the request without, and why.
func (c *Client) Send(ctx context.Context, request []byte) (rejected int64, reason string, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	if c.Gzip {
		request = compressed(request)
	}
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		rejected, reason, err = c.post(ctx, request)
		if err == nil {
			return rejected, reason, nil
		}
		pause := wait/2 + rand.N(wait/2) //nolint:gosec // jitter need not be secret
		if refused := (*Refused)(nil); errors.As(err, &refused) {
			if !refused.retryable() {
				return 0, "", err
			}
			pause = max(pause, refused.wait)
		}
		if deadline, _ := ctx.Deadline(); ctx.Err() != nil || time.Until(deadline) <= pause {
			return 0, "", err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return 0, "", err
		}
	}
}

func (c *Client) post(ctx context.Context, request []byte) (rejected int64, reason string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint, stdbytes.NewReader(request))
	if err != nil {
		return 0, "", err
	}
	for key, values := range c.Header {
		req.Header[key] = slices.Clone(values)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("User-Agent", "OTel-OTLP-Exporter-Waybill/0.1")
	if c.Gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, "", fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return 0, "", refusal(resp, answer)
	}
	rejected, reason = partialSuccess(answer)
	return rejected, reason, nil
}

// refusal reads the answer of a server that says no; the body is a
// google.rpc.Status, whose field 2 is the message, or from a proxy any text.
func refusal(resp *http.Response, answer []byte) *Refused {
	r := &Refused{Status: resp.StatusCode}
	if resp.Header.Get("Content-Type") == "application/x-protobuf" {
		r.Message = string(field(answer, 2))
	}
	after := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(after, 10, 20); err == nil {
		r.wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		r.wait = time.Until(at)
	}
	return r
}

// partialSuccess reads an Export…ServiceResponse:
//
//	Export…PartialSuccess partial_success = 1 { int64 rejected_… = 1;  string error_message = 2; }
func partialSuccess(answer []byte) (rejected int64, reason string) {
	partial := field(answer, 1)
	for b := partial; len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			break
		}
		if num == 1 && typ == protowire.VarintType {
			v, _ := protowire.ConsumeVarint(b[n:])
			rejected = int64(v)
		}
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		if size < 0 {
			break
		}
		b = b[n+size:]
	}
	return rejected, string(field(partial, 2))
}

// field finds a length-delimited field; nil if there is none.
func field(b []byte, want protowire.Number) []byte {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil
		}
		b = b[n:]
		if num == want && typ == protowire.BytesType {
			found, _ := protowire.ConsumeBytes(b)
			return found
		}
		size := protowire.ConsumeFieldValue(num, typ, b)
		if size < 0 {
			return nil
		}
		b = b[size:]
	}
	return nil
}

func compressed(request []byte) []byte {
	var buf stdbytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write(request) // A bytes.Buffer takes everything.
	_ = w.Close()
	return buf.Bytes()
}
