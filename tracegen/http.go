package tracegen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxAnswer bounds what is read of an answer, in bytes, and maxReason what is
// told of a refusal, in letters.
const (
	maxAnswer = 64 << 10
	maxReason = 200
)

// httpSender posts traces: OTLP (opentelemetry-proto, docs/specification.md),
// or what else is sent over HTTP.
type httpSender struct {
	base        *url.URL
	path        string // in place of OTLP's
	json, otlp  bool
	contentType string
	headers     map[string]Secret
	zip         *zipper
	client      *http.Client
	transport   *http.Transport
}

func newHTTPSender(cfg Config, endpoint string) (*httpSender, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("endpoint %q: want a URL that begins with http:// or https://", redact(endpoint))
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = cfg.Workers
	if cfg.Connections > 0 {
		transport.MaxConnsPerHost, transport.MaxIdleConnsPerHost = cfg.Connections, cfg.Connections
	}
	transport.DisableCompression = true
	// With HTTP/2 all requests would share one connection.
	transport.ForceAttemptHTTP2 = false
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	if transport.TLSClientConfig, err = cfg.TLS.config(); err != nil {
		return nil, err
	}
	d := dialects[cfg.Protocol]
	return &httpSender{
		base: u, path: d.path, json: cfg.Protocol == HTTPJSON, otlp: d.path == "", contentType: d.contentType,
		headers: cfg.Headers, zip: newZipper(cfg.Compression), transport: transport,
		// Who answers with a redirection is told to whom the headers go.
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}, nil
}

func (s *httpSender) close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// url is where a signal goes. An endpoint that has the path already is taken
// as it is.
func (s *httpSender) url(signal signal) string {
	path := s.path
	if s.otlp {
		path = paths[signal]
	}
	if strings.HasSuffix(s.base.Path, "/"+path) {
		return s.base.String()
	}
	return s.base.JoinPath(path).String()
}

func (s *httpSender) send(ctx context.Context, b body) (answer, error) {
	packed, err := s.zip.pack(b.bytes)
	if err != nil {
		return answer{}, &refusal{reason: err.Error()}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url(b.signal), bytes.NewReader(packed))
	if err != nil {
		return answer{}, &refusal{reason: err.Error()}
	}
	req.Header.Set("Content-Type", s.contentType)
	req.Header.Set("User-Agent", "waybill-tracegen")
	if s.zip != nil {
		req.Header.Set("Content-Encoding", string(s.zip.kind))
	}
	for name, value := range s.headers {
		req.Header.Set(name, string(value))
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := s.client.Do(req)
	if err != nil {
		if failed, ok := errors.AsType[*url.Error](err); ok {
			failed.URL = redact(failed.URL)
		}
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("read answer: %w", err)
	}
	switch {
	case resp.StatusCode/100 != 2:
		return answer{}, httpRefusal(resp, text)
	case !s.otlp:
		return answer{}, nil
	case s.json:
		return parseJSONAnswer(text)
	default:
		return parseAnswer(text)
	}
}

// httpRefusal tells the statuses that the specification calls retryable from
// all others, and keeps what the body says.
func httpRefusal(resp *http.Response, text []byte) *refusal {
	r := &refusal{reason: "HTTP " + resp.Status}
	if why := reasonOf(resp.Header.Get("Content-Type"), text); why != "" {
		r.reason += ": " + why
	}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		r.retryable = true
	}
	if seconds, err := strconv.ParseUint(resp.Header.Get("Retry-After"), 10, 16); err == nil {
		r.after = time.Duration(seconds) * time.Second
	}
	return r
}

// reasonOf is what a refusal's body says, in one line: of a google.rpc.Status,
// which OTLP answers with, its message.
func reasonOf(contentType string, text []byte) string {
	kind, _, err := mime.ParseMediaType(contentType)
	if err == nil && kind == "application/x-protobuf" {
		message := ""
		err := fields(text, func(num protowire.Number, typ protowire.Type, value []byte, _ uint64) error {
			if num == 2 && typ == protowire.BytesType {
				message = string(value)
			}
			return nil
		})
		if err != nil {
			return ""
		}
		text = []byte(message)
	}
	line := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(string(text), ""), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if letters := []rune(line); len(letters) > maxReason {
		line = string(letters[:maxReason]) + "…"
	}
	return line
}
