package export

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
)

const (
	protobufType = "application/x-protobuf"
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 64 << 10
	// maxReason bounds what is logged of an answer, in bytes.
	maxReason = 256
	// keptBody is the largest request buffer that is kept for the next batch.
	keptBody = 8 << 20
)

// client posts batches to one backend. It is used by one goroutine.
type client struct {
	http    *http.Client
	url     string
	header  http.Header
	timeout time.Duration

	zip  *gzip.Writer // nil: not compressed
	body *body
}

// answer is how one attempt ended.
type answer struct {
	verdict verdict
	// wait is how long the backend asks to be left alone; zero says nothing.
	wait time.Duration
	// rejected counts the items that the backend did not take of an accepted
	// request.
	rejected uint64
	// reason says why something was not taken.
	reason string
}

func newClient(d Destination, signal journal.Signal) *client {
	c := &client{
		url:     strings.TrimRight(d.Endpoint, "/") + "/v1/" + signal.String(),
		header:  http.Header{},
		timeout: d.Timeout,
	}
	for name, value := range d.Headers {
		c.header.Set(name, string(value))
	}
	c.header.Set("Content-Type", protobufType)
	c.header.Set("User-Agent", "waybill-collector")
	if d.Compression == "gzip" {
		c.header.Set("Content-Encoding", "gzip")
		c.zip, _ = gzip.NewWriterLevel(nil, gzip.BestSpeed) // The level exists.
	}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     90 * time.Second,
		},
		// A redirected POST would become a GET, without the data.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

func (c *client) close() { c.http.CloseIdleConnections() }

// load lays the records end to end: that is one valid request.
func (c *client) load(records []journal.Record) error {
	if c.body == nil || c.body.open.Load() > 0 || c.body.data.Cap() > keptBody {
		c.body = &body{} // The transport may still read the last one.
	}
	c.body.data.Reset()
	if c.zip == nil {
		for i := range records {
			c.body.data.Write(records[i].Payload)
		}
		return nil
	}
	c.zip.Reset(&c.body.data)
	for i := range records {
		if _, err := c.zip.Write(records[i].Payload); err != nil {
			return fmt.Errorf("compress: %w", err)
		}
	}
	return c.zip.Close()
}

// post sends what was loaded, once. No error of the network, or of time, tells
// anything about the data.
func (c *client) post(ctx context.Context) answer {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, nil)
	if err != nil {
		return answer{reason: err.Error()}
	}
	request.Header = c.header.Clone()
	request.ContentLength = int64(c.body.data.Len())
	request.Body, request.GetBody = c.body.reader(), func() (io.ReadCloser, error) { return c.body.reader(), nil }
	response, err := c.http.Do(request)
	if err != nil {
		return answer{reason: err.Error()}
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return read(response, data, err)
}

// read makes an answer of a response. broken says that its body did not arrive
// whole; its status did.
func read(response *http.Response, data []byte, broken error) answer {
	a := answer{verdict: judge(response.StatusCode)}
	encoded := isProtobuf(response.Header)
	switch {
	case a.verdict != accepted:
		a.wait = retryAfter(response.Header.Get("Retry-After"), time.Now())
		a.reason = response.Status + reasonOf(data, encoded)
	case broken == nil && encoded:
		// The answers for the three signals differ in names only.
		var success coltracepb.ExportTraceServiceResponse
		if proto.Unmarshal(data, &success) == nil {
			partial := success.GetPartialSuccess()
			a.rejected = uint64(max(partial.GetRejectedSpans(), 0))
			a.reason = clip(partial.GetErrorMessage())
		}
	}
	return a
}

func isProtobuf(header http.Header) bool {
	media, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	return err == nil && media == protobufType
}

// reasonOf finds the text in an error's body.
func reasonOf(data []byte, encoded bool) string {
	text := string(data)
	if encoded {
		var status statuspb.Status
		if proto.Unmarshal(data, &status) != nil {
			return ""
		}
		text = status.GetMessage()
	}
	if text = clip(text); text == "" {
		return ""
	}
	return ": " + text
}

func clip(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > maxReason {
		text = text[:maxReason] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}

// body is a request's bytes, which are written over only when nobody reads
// them: the transport may go on reading after it has given an answer.
type body struct {
	data bytes.Buffer
	open atomic.Int32
}

func (b *body) reader() io.ReadCloser {
	b.open.Add(1)
	return &bodyReader{Reader: bytes.NewReader(b.data.Bytes()), body: b}
}

type bodyReader struct {
	*bytes.Reader
	body   *body
	closed atomic.Bool
}

func (r *bodyReader) Close() error {
	if r.closed.CompareAndSwap(false, true) {
		r.body.open.Add(-1)
	}
	return nil
}
