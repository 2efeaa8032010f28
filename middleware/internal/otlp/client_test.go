package otlp_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-dev/waybill/middleware/internal/otlp"
)

// reply is what a server says; nothing at all if its status is 0.
type reply struct {
	status int
	body   string
	after  string // Retry-After; a duration is told as a date
}

// scripted gives one reply after the other, without a network.
type scripted struct {
	replies []reply
	at      []time.Time
}

func (s *scripted) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	reply := s.replies[min(len(s.at), len(s.replies)-1)]
	s.at = append(s.at, time.Now())
	if reply.status == 0 {
		return nil, errors.New("connection refused")
	}
	header := http.Header{"Content-Type": {"application/x-protobuf"}, "Retry-After": {reply.after}}
	if later, err := time.ParseDuration(reply.after); err == nil {
		header.Set("Retry-After", time.Now().Add(later).UTC().Format(http.TimeFormat))
	}
	return &http.Response{StatusCode: reply.status, Header: header, Body: io.NopCloser(strings.NewReader(reply.body))}, nil
}

// partial is an ExportTraceServiceResponse that has taken all but so many.
func partial(rejected uint64, reason string) string {
	message := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), rejected)
	message = protowire.AppendString(protowire.AppendTag(message, 2, protowire.BytesType), reason)
	return string(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), message))
}

func status(message string) string {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 3)
	return string(protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), message))
}

func TestClientRetriesWhatTheSpecificationAllows(t *testing.T) {
	silence := reply{}
	for name, test := range map[string]struct {
		replies  []reply // the last one again and again
		requests int     // 0 where it depends on the jitter
		rejected int64
		reason   string
		err      string
		least    time.Duration // until the last request
	}{
		"taken":                  {replies: []reply{{status: 200}}, requests: 1},
		"partly":                 {replies: []reply{{status: 200, body: partial(3, "no ids")}}, requests: 1, rejected: 3, reason: "no ids"},
		"nonsense, but 200":      {replies: []reply{{status: 200, body: "\xff\xff\xff"}}, requests: 1},
		"bad request":            {replies: []reply{{status: 400, body: status("bad data")}}, requests: 1, err: "answered 400 Bad Request: bad data"},
		"internal error":         {replies: []reply{{status: 500}}, requests: 1, err: "answered 500"},
		"unavailable, then fine": {replies: []reply{{status: 503}, {status: 502}, {status: 429}, {status: 504}, {status: 200}}, requests: 5},
		"silent, then fine":      {replies: []reply{silence, {status: 200}}, requests: 2},
		"Retry-After":            {replies: []reply{{status: 429, after: "4"}, {status: 200}}, requests: 2, least: 4 * time.Second},
		"Retry-After too long":   {replies: []reply{{status: 503, after: "60"}}, requests: 1, err: "answered 503"},
		"Retry-After as a date":  {replies: []reply{{status: 503, after: "5s"}, {status: 200}}, requests: 2, least: 4 * time.Second},
		"silent for long":        {replies: []reply{silence}, err: "connection refused", least: 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &scripted{replies: test.replies}
				client := &otlp.Client{Endpoint: "http://x.example/v1/traces", Timeout: 10 * time.Second, HTTP: &http.Client{Transport: server}}
				began := time.Now()
				rejected, reason, err := client.Send(t.Context(), []byte("request"))
				if test.requests > 0 && len(server.at) != test.requests {
					t.Errorf("%d requests, want %d", len(server.at), test.requests)
				}
				if rejected != test.rejected || reason != test.reason {
					t.Errorf("rejected %d, %q; want %d, %q", rejected, reason, test.rejected, test.reason)
				}
				if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q", err, test.err)
				}
				if waited := server.at[len(server.at)-1].Sub(began); waited < test.least || time.Since(began) > 10*time.Second {
					t.Errorf("waited %v until the last of %d requests, %v in all", waited, len(server.at), time.Since(began))
				}
			})
		})
	}
}

func TestClientStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &scripted{replies: []reply{{}}}
		client := &otlp.Client{Endpoint: "http://x.example/", Timeout: time.Hour, HTTP: &http.Client{Transport: server}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if _, _, err := client.Send(ctx, nil); err == nil {
			t.Error("no error")
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A server may answer anything.
func FuzzAnswer(f *testing.F) {
	f.Add(200, partial(3, "no ids"))
	f.Add(400, status("bad data"))
	f.Add(200, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Fuzz(func(t *testing.T, code int, body string) {
		if code < 200 || code == 429 || code >= 502 && code <= 504 {
			return // no answer, or one that is waited after
		}
		client := &otlp.Client{Endpoint: "http://x.example/", Timeout: time.Second, HTTP: &http.Client{Transport: &scripted{replies: []reply{{status: code, body: body}}}}}
		if _, _, err := client.Send(t.Context(), nil); (err == nil) != (code/100 == 2) {
			t.Errorf("%d: error %v", code, err)
		}
	})
}
