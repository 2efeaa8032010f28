package tracegen

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
)

// listening is a server that counts requests and connections, and answers as
// it is told.
func listening(t *testing.T, answer nethttp.HandlerFunc) (url string, requests, connections *atomic.Int64) {
	t.Helper()
	requests, connections = &atomic.Int64{}, &atomic.Int64{}
	server := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, r *nethttp.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		if answer != nil {
			answer(w, r)
		}
	}))
	server.Config.ConnState = func(_ net.Conn, state nethttp.ConnState) {
		if state == nethttp.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL, requests, connections
}

func unavailable(w nethttp.ResponseWriter, _ *nethttp.Request) {
	nethttp.Error(w, "the queue is full", nethttp.StatusServiceUnavailable)
}

func TestRouting(t *testing.T) {
	for _, test := range []struct {
		routing Routing
		broken  bool // the first target is
		// first and second are how many of the 12 requests each target takes.
		first, second uint64
	}{
		{RoundRobin, false, 6, 6},
		{RoundRobin, true, 0, 12},
		{Failover, false, 12, 0},
		{Failover, true, 0, 12},
		{Mirror, false, 12, 12},
	} {
		t.Run(fmt.Sprintf("%s, broken: %t", test.routing, test.broken), func(t *testing.T) {
			var answer nethttp.HandlerFunc
			if test.broken {
				answer = unavailable
			}
			one, _, _ := listening(t, answer)
			two, _, _ := listening(t, nil)
			cfg := config(HTTP, one)
			cfg.Others, cfg.Routing, cfg.Traces, cfg.Batch = []string{two}, test.routing, 12, 1
			report, err := Run(t.Context(), cfg, nil)
			if err != nil || !report.Complete() || report.Retries != 0 {
				t.Fatalf("report = %+v, %v", report, err)
			}
			if a, b := report.Targets[0].Accepted, report.Targets[1].Accepted; a != test.first || b != test.second {
				t.Errorf("the first has taken %d, the second %d; want %d, %d", a, b, test.first, test.second)
			}
			if refused := report.Targets[0].Refused > 0; refused != test.broken {
				t.Errorf("targets = %+v", report.Targets)
			}
		})
	}
}

// A mirrored request that one target does not take is sent to that one again,
// and to no other.
func TestMirrorsAreWaitedFor(t *testing.T) {
	var n atomic.Int64
	one, _, _ := listening(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
		if n.Add(1) == 1 {
			unavailable(w, r)
		}
	})
	two, requests, _ := listening(t, nil)
	cfg := config(HTTP, one)
	cfg.Others, cfg.Routing, cfg.Traces, cfg.Batch, cfg.Workers = []string{two}, Mirror, 3, 1, 1
	report, err := Run(t.Context(), cfg, nil)
	if err != nil || !report.Complete() || report.Retries != 1 || requests.Load() != 3 {
		t.Errorf("the second got %d requests; report = %+v, %v", requests.Load(), report, err)
	}
	if len(report.Refusals) != 1 || report.Refusals[0].Reason != one+": HTTP 503 Service Unavailable: the queue is full" {
		t.Errorf("refusals = %+v", report.Refusals)
	}
	gone, _, _ := listening(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) { w.WriteHeader(nethttp.StatusForbidden) })
	cfg.Others = []string{gone}
	if report, err = Run(t.Context(), cfg, nil); err != nil || report.Failed.Requests != 3 || report.Targets[0].Accepted != 3 {
		t.Errorf("one target refuses for good: report = %+v, %v", report, err)
	}
}

func TestConnections(t *testing.T) {
	url, _, connections := listening(t, func(nethttp.ResponseWriter, *nethttp.Request) { time.Sleep(time.Millisecond) })
	cfg := config(HTTP, url)
	cfg.Connections, cfg.Workers, cfg.Batch = 2, 8, 1
	if report, err := Run(t.Context(), cfg, nil); err != nil || !report.Complete() {
		t.Fatalf("report = %+v, %v", report, err)
	}
	if n := connections.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// What a refusal says is in the report, whatever it is written in.
func TestRefusalsSayWhy(t *testing.T) {
	encoded, err := proto.Marshal(&status.Status{Code: 3, Message: "span 3 has\nno id"})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ kind, body, want string }{
		"text":     {"text/plain", "no such\n\ttenant\x00", "HTTP 400 Bad Request: no such tenant"},
		"protobuf": {"application/x-protobuf", string(encoded), "HTTP 400 Bad Request: span 3 has no id"},
		"garbage":  {"application/x-protobuf", "\xff\xff\xff", "HTTP 400 Bad Request"},
		"long":     {"text/plain", strings.Repeat("é", 5000), "HTTP 400 Bad Request: " + strings.Repeat("é", 200) + "…"},
		"nothing":  {"", "", "HTTP 400 Bad Request"},
	} {
		t.Run(name, func(t *testing.T) {
			url, _, _ := listening(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
				w.Header().Set("Content-Type", test.kind)
				w.WriteHeader(nethttp.StatusBadRequest)
				_, _ = w.Write([]byte(test.body))
			})
			cfg := config(HTTP, url)
			cfg.Traces = 1
			report, err := Run(t.Context(), cfg, nil)
			if err != nil || len(report.Errors) != 1 || report.Errors[0] != test.want {
				t.Errorf("errors = %q, %v\nwant %q", report.Errors, err, test.want)
			}
		})
	}
}

// An answer in JSON may have its number as a text.
func TestAnswersInJSON(t *testing.T) {
	for text, want := range map[string]answer{
		"": {}, "{}": {}, `{"partialSuccess":{}}`: {},
		`{"partialSuccess":{"rejectedSpans":"3","errorMessage":"old"}}`: {3, "old"},
		`{"partialSuccess":{"rejectedSpans":4}}`:                        {4, ""},
	} {
		if got, err := parseJSONAnswer([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"<html>", `{"partialSuccess":{"rejectedSpans":"x"}}`, `{"partialSuccess":{"rejectedSpans":-1}}`} {
		if _, err := parseJSONAnswer([]byte(text)); err == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

// A reason that differs by our own port only is one reason.
func TestReasonsAreGrouped(t *testing.T) {
	for text, want := range map[string]string{
		`Post "http://[::1]:4318/v1/traces": read tcp [::1]:50514->[::1]:4318: read: connection reset by peer`:                    `Post "http://[::1]:4318/v1/traces": read tcp [::1]:4318: read: connection reset by peer`,
		`gRPC Unavailable: error reading from server: read tcp 127.0.0.1:33412->127.0.0.1:4317: use of closed network connection`: `gRPC Unavailable: error reading from server: read tcp 127.0.0.1:4317: use of closed network connection`,
		`dial tcp 127.0.0.1:4318: connect: connection refused`:                                                                    `dial tcp 127.0.0.1:4318: connect: connection refused`,
	} {
		if got := withoutPort(text); got != want {
			t.Errorf("%s\nbecomes %s\nwant    %s", text, got, want)
		}
	}
	url, _, _ := listening(t, func(w nethttp.ResponseWriter, _ *nethttp.Request) {
		conn, _, err := w.(nethttp.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.(*net.TCPConn).SetLinger(0) // a reset
		_ = conn.Close()
	})
	cfg := config(HTTP, url)
	cfg.Traces, cfg.Batch, cfg.Timeout = 6, 1, 120*time.Millisecond
	report, err := Run(t.Context(), cfg, nil)
	if err != nil || report.Failed.Traces != 6 {
		t.Fatalf("report = %+v, %v", report, err)
	}
	for _, r := range report.Refusals {
		if strings.Contains(r.Reason, "->") {
			t.Errorf("refusals = %+v", report.Refusals)
		}
	}
}

const secret = "Bearer s3cr3t-t0k3n"

// Headers arrive, and are told to nobody: not to who redirects, not to the
// report.
func TestHeadersAreSecret(t *testing.T) {
	elsewhere, strangers, _ := listening(t, nil)
	for _, protocol := range []Protocol{HTTP, GRPC} {
		got := make(chan string, 100)
		r := &receiver{}
		endpoint := ""
		if protocol == HTTP {
			endpoint, _, _ = listening(t, func(w nethttp.ResponseWriter, r *nethttp.Request) {
				got <- r.Header.Get("Authorization") + " " + r.Host
				nethttp.Redirect(w, r, elsewhere, nethttp.StatusTemporaryRedirect)
			})
		} else {
			r.header = func(values []string) { got <- strings.Join(values, "") + " collector" }
			endpoint = overGRPC(t, r)
		}
		cfg := config(protocol, endpoint)
		cfg.Traces, cfg.Headers = 1, map[string]Secret{"Authorization": secret}
		if protocol == HTTP {
			cfg.Headers["Host"] = "collector"
		}
		report, err := Run(t.Context(), cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if seen := <-got; seen != secret+" collector" {
			t.Errorf("%s: the receiver saw %q", protocol, seen)
		}
		record, err := NewRecord(cfg, report)
		if err != nil {
			t.Fatal(err)
		}
		var told bytes.Buffer
		if err := record.WriteJSON(&told); err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(cfg.Headers)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&told, "%+v %#v %s", cfg, report, encoded)
		if strings.Contains(told.String(), "s3cr3t") {
			t.Errorf("%s: the secret is told:\n%s", protocol, &told)
		}
	}
	if n := strangers.Load(); n != 0 {
		t.Errorf("%d requests went where they were redirected", n)
	}
	cfg := config(HTTP, "http://me:s3cr3t@127.0.0.1:1/?key=s3cr3t")
	cfg.Traces, cfg.Timeout = 1, 50*time.Millisecond
	report, err := Run(t.Context(), cfg, nil)
	if told := fmt.Sprint(report.Refusals, report.Errors); err != nil || len(report.Refusals) == 0 || strings.Contains(told, "s3cr3t") {
		t.Errorf("nobody is there: %s, %v", told, err)
	}
	if got := redact("https://me:s3cr3t@host/p?key=s3cr3t"); got != "https://me:xxxxx@host/p?REDACTED" {
		t.Errorf("redacted: %s", got)
	}
}

// certificate writes a certificate for 127.0.0.1, and its key, which anybody
// signs who is called.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: signed}, keyFile: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// A receiver that wants to know whom it speaks with.
func TestTLS(t *testing.T) {
	certFile, keyFile := certificate(t)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	data, err := os.ReadFile(certFile)
	if err != nil || !clients.AppendCertsFromPEM(data) {
		t.Fatal("no certificate", err)
	}
	server := httptest.NewUnstartedServer(nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, r *nethttp.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	for name, test := range map[string]struct {
		tls  TLS
		want string // in the reason; empty is success
	}{
		"both ends known":      {TLS{CA: certFile, Cert: certFile, Key: keyFile}, ""},
		"anybody":              {TLS{Insecure: true, Cert: certFile, Key: keyFile}, ""},
		"the server unknown":   {TLS{Cert: certFile, Key: keyFile}, "certificate signed by unknown authority"},
		"the client not shown": {TLS{CA: certFile}, "127.0.0.1"}, // a reset, or what TLS says

	} {
		cfg := config(HTTP, server.URL)
		cfg.Traces, cfg.TLS = 1, test.tls
		ctx, cancel := context.WithCancel(t.Context())
		report, err := Run(ctx, cfg, func(r Report) {
			if len(r.Refusals) > 0 {
				cancel() // It would be tried again and again.
			}
		})
		cancel()
		if err != nil || report.Complete() != (test.want == "") || !strings.Contains(fmt.Sprint(report.Refusals), test.want) {
			t.Errorf("%s: refusals = %v, %v", name, report.Refusals, err)
		}
	}
	for want, bad := range map[string]TLS{
		"needs its key": {Cert: certFile}, "no certificate in it": {CA: keyFile}, "nowhere": {CA: "/nowhere"}, "TLS: certificate": {Cert: keyFile, Key: keyFile},
	} {
		for _, protocol := range []Protocol{HTTP, GRPC} {
			cfg := config(protocol, "https://127.0.0.1:1")
			cfg.TLS = bad
			if _, err := Run(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error = %v", want, err)
			}
		}
	}
}

// A trace that is larger than a request may be comes in several, whole.
func TestALargeTraceIsSplit(t *testing.T) {
	large := parse(t, `
services:
  a: {operations: {x: {calls: [{to: b/y, count: 10000}, {to: y, count: 10000}]}, y: {kind: client}}}
  b: {operations: {y: {client: false, attributes: {text: `+strings.Repeat("x", 500)+`}}}}
traces: [{start: a/x}]
`)
	for _, protocol := range []Protocol{HTTP, GRPC} {
		r := &receiver{}
		var mu sync.Mutex
		endpoint, largest := "", 0
		if protocol == GRPC {
			endpoint = overGRPC(t, r) // which takes 4 MiB
		} else {
			endpoint = overHTTP(t, r, nil)
		}
		r.size = func(n int) {
			mu.Lock()
			defer mu.Unlock()
			largest = max(largest, n)
		}
		cfg := config(protocol, endpoint)
		cfg.Topology, cfg.Traces = large, 3
		report, err := Run(t.Context(), cfg, nil)
		if err != nil || !report.Complete() || report.Acknowledged.Traces != 3 || report.Acknowledged.Requests < 6 {
			t.Fatalf("%s: report = %+v, %v", protocol, report, err)
		}
		if r.spans != 3*20_001 || len(r.traces) != 3 || largest > 4<<20 {
			t.Errorf("%s: %d spans of %d traces have arrived, in up to %d bytes", protocol, r.spans, len(r.traces), largest)
		}
	}
}

// A trace that has no room behind others begins the next request.
func TestTracesBeforeALargeOneAreNotSplit(t *testing.T) {
	e := newEncoder(newProgram(parse(t, `
services:
  a: {operations: {small: {}, large: {calls: [{to: leaf, count: 10000}]}, leaf: {kind: client, attributes: {text: `+strings.Repeat("x", 250)+`}}}}
traces: [{start: a/small, weight: 1}, {start: a/large, weight: 1}]
`)))
	now, spans := time.Now(), 0
	for o := (order{n: 60}); o.n > 0; {
		b := e.encode(3, o, now)
		whole := 0
		for _, request := range append([][]byte{b.request}, b.rest...) {
			if len(request) > 4<<20 {
				t.Errorf("a request of %d bytes", len(request))
			}
			for _, trace := range decode(t, request) {
				whole += len(trace)
				if n := len(trace); n != 1 && n != 10_001 {
					t.Errorf("%d spans of a trace", n)
				}
			}
		}
		if whole != b.spans || b.traces == 0 {
			t.Fatalf("%d spans are encoded; it says %d of %d traces", whole, b.spans, b.traces)
		}
		spans += whole
		o.first, o.n = o.first+uint64(b.traces), o.n-b.traces
	}
	if spans < 20*10_001 {
		t.Errorf("%d spans altogether", spans)
	}
}
