package export

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
)

const protobufType = "application/x-protobuf"

// httpClient posts batches, as OTLP over HTTP.
type httpClient struct {
	http    *http.Client
	url     string
	header  http.Header
	timeout time.Duration

	zip   compressor // nil: not compressed
	body  *body      // compressed; nil: not yet
	parts [][]byte   // of the request that is loaded
	lent  []*lent    // to the transport; guarded by mu
	mu    sync.Mutex
}

func newHTTPClient(d Destination, signal journal.Signal) (*httpClient, error) {
	trust, err := d.TLS.Client()
	if err != nil {
		return nil, err
	}
	c := &httpClient{
		url:     strings.TrimRight(d.Endpoint, "/") + "/v1/" + signal.String(),
		header:  http.Header{},
		timeout: d.Timeout,
	}
	for name, value := range d.Headers {
		c.header.Set(name, string(value))
	}
	c.header.Set("Content-Type", protobufType)
	c.header.Set("User-Agent", userAgent)
	if c.zip, err = newCompressor(d.Compression); err != nil {
		return nil, err
	}
	if c.zip != nil {
		c.header.Set("Content-Encoding", string(d.Compression))
	}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dialWhole,
			TLSClientConfig:     trust,
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     90 * time.Second,
			HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
		},
		// A redirected POST would become a GET, without the data.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

func (c *httpClient) close() { c.http.CloseIdleConnections() }

// load sends records from where they are, unless they are to be compressed.
func (c *httpClient) load(records []journal.Record) error {
	c.parts = c.parts[:0]
	if c.zip == nil {
		for i := range records {
			c.parts = append(c.parts, records[i].Payload)
		}
		return nil
	}
	c.body = c.body.free()
	err := c.body.fill(records, c.zip)
	c.parts = append(c.parts, c.body.data.Bytes())
	return err
}

// lend is a body for one attempt. The transport asks for more, from goroutines of
// its own, when it tries again on another connection.
func (c *httpClient) lend() *lent {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := lend(c.parts)
	c.lent = append(c.lent, l)
	return l
}

func (c *httpClient) release() {
	c.mu.Lock()
	lent := c.lent
	c.lent = nil
	c.mu.Unlock()
	for _, l := range lent {
		l.revoke()
	}
	clear(c.parts)
}

func (c *httpClient) send(ctx context.Context) answer {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, nil)
	if err != nil {
		return answer{silent: true, reason: withoutUser(err)}
	}
	request.Header = c.header.Clone()
	body := c.lend()
	request.ContentLength = body.left()
	request.Body, request.GetBody = body, func() (io.ReadCloser, error) { return c.lend(), nil }
	response, err := c.http.Do(request)
	if err != nil {
		return answer{silent: true, reason: withoutUser(err)}
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return read(response, data, err)
}

// withoutUser is an error's text as logs and the status page may have it.
// net/http hides the password in a URL, but not the user, which some backends
// have in the place of a key.
func withoutUser(err error) string {
	failed, ok := errors.AsType[*url.Error](err)
	if !ok {
		return err.Error()
	}
	shown, parseErr := url.Parse(failed.URL)
	if parseErr != nil {
		return failed.Err.Error()
	}
	shown.User = nil
	return (&url.Error{Op: failed.Op, URL: shown.String(), Err: failed.Err}).Error()
}

// read makes an answer of a response. broken says that its body did not arrive
// whole; its status did.
func read(response *http.Response, data []byte, broken error) answer {
	verdict := judge(response.StatusCode)
	encoded := isProtobuf(response.Header)
	switch {
	case verdict != accepted:
		return answer{
			verdict:  verdict,
			tooLarge: response.StatusCode == http.StatusRequestEntityTooLarge,
			wait:     retryAfter(response.Header.Get("Retry-After"), time.Now()),
			reason:   response.Status + reasonOf(data, encoded),
		}
	case broken == nil && encoded:
		return acceptance(data)
	}
	return answer{verdict: accepted}
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
