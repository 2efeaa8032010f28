package receive

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// connect opens a plain connection, on which no call waits for ever.
func connect(t *testing.T, addr net.Addr) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func sendText(t *testing.T, conn net.Conn, format string, args ...any) {
	t.Helper()
	if _, err := fmt.Fprintf(conn, format, args...); err != nil {
		t.Fatal(err)
	}
}

// TestGarbageAtBothPorts: whatever is thrown at them, the receivers go on.
func TestGarbageAtBothPorts(t *testing.T) {
	j := memory.New(memory.Config{})
	r, _ := receivers(t, testConfig(), j)
	garbage := map[string]string{
		"noise":                   "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\x00\xff\xfe",
		"a line":                  "hello there\r\n\r\n",
		"HTTP/1 without a length": "POST /v1/traces HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
		"two lengths":             "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"HTTP/2 and then noise":   "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
		"a frame too large":       "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\x00\x00\x00\x00\x00\x01",
		"headers without an end":  "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 200<<10),
	}
	for name, bytes := range garbage {
		for transport, addr := range map[string]net.Addr{"grpc": r.GRPCAddr(), "http": r.HTTPAddr()} {
			t.Run(name+" at "+transport, func(t *testing.T) {
				conn := connect(t, addr)
				// The far end may hang up before it has read all of it.
				_, _ = conn.Write([]byte(bytes))
				_ = conn.(*net.TCPConn).CloseWrite()
				if _, err := io.Copy(io.Discard, conn); errors.Is(err, context.DeadlineExceeded) {
					t.Error("the connection is still open")
				}
			})
		}
	}
	if _, err := coltrace.NewTraceServiceClient(dial(t, r)).Export(t.Context(), traceRequest(1)); err != nil {
		t.Errorf("gRPC after garbage: %v", err)
	}
	if status, _, answer := post(t, r, "/v1/traces", protobufType, encode(t, traceRequest(1))); status != 200 {
		t.Errorf("HTTP after garbage: %d %q", status, answer)
	}
	if got := records(t, j); len(got) != 2 {
		t.Errorf("journal has %d records, want 2", len(got))
	}
}

func TestBombsCostLittleMemory(t *testing.T) {
	cfg := testConfig()
	cfg.MaxRequestBytes = 1 << 20
	r, _ := receivers(t, cfg, memory.New(memory.Config{}))
	zeros := make([]byte, 32<<20)
	bombs := map[string][]byte{"gzip": gzipOf(t, zeros), "zstd": zstdOf(t, zeros)}
	for name, bomb := range bombs {
		if len(bomb) > 1<<20 {
			t.Fatalf("%s: the bomb is too large to be let in", name)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		httpStatus, _, _ := send(t, r, http.MethodPost, "/v1/traces", protobufType, bytes.NewReader(bomb), "Content-Encoding", name)
		_, grpcStatus := call(t, r, traceMethod, bytes.NewReader(frame(1, bomb)), "Grpc-Encoding", name)
		runtime.ReadMemStats(&after)
		if httpStatus != 413 || codes.Code(grpcStatus.Code) != codes.ResourceExhausted {
			t.Errorf("%s: answers %d and %v, want 413 and ResourceExhausted", name, httpStatus, grpcStatus)
		}
		if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 20 {
			t.Errorf("%s: %d MiB were allocated for two bombs of 32 MiB", name, grown)
		}
	}
}

// TestOverload: while others hold the budget, a request is refused before its
// body is read, and succeeds when they are done.
func TestOverload(t *testing.T) {
	cfg := testConfig()
	cfg.MaxRequestBytes, cfg.MaxInflightBytes = 1<<20, 3<<19
	j := &gatedJournal{Journal: memory.New(memory.Config{}), entered: make(chan struct{}, 8), open: make(chan struct{})}
	r, _ := receivers(t, cfg, j)
	large := traceRequest(1)
	large.ResourceSpans[0].SchemaUrl = strings.Repeat("x", 800<<10)
	first := make(chan int, 1)
	go func() {
		code, _, _ := post(t, r, "/v1/traces", protobufType, encode(t, large))
		first <- code
	}()
	<-j.entered

	// The client promises a body, and waits for leave to send it.
	conn := connect(t, r.HTTPAddr())
	sendText(t, conn, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 900000\r\nExpect: 100-continue\r\n\r\n", protobufType)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("answer %d %v, %v; want 503 with Retry-After", resp.StatusCode, resp.Header, err)
	}
	checkStatus(t, resp.Header, answer, protobufType, codes.Unavailable, true)

	// gRPC tells a message's length before the message.
	_, refused := call(t, r, traceMethod, io.MultiReader(bytes.NewReader(frame(0, make([]byte, 900_000))[:frameHeader]), stalled{t.Context()}))
	if codes.Code(refused.Code) != codes.Unavailable {
		t.Errorf("answer %v, want Unavailable", refused)
	}
	client := coltrace.NewTraceServiceClient(dial(t, r))
	_, err = client.Export(t.Context(), large)
	if got := status.Convert(err); got.Code() != codes.Unavailable || retryDelay(got) <= 0 {
		t.Errorf("answer %v, want Unavailable with RetryInfo", got)
	}

	close(j.open)
	if got := <-first; got != 200 {
		t.Errorf("the first request was answered %d", got)
	}
	if _, err := client.Export(t.Context(), large); err != nil {
		t.Errorf("after the overload: %v", err)
	}
}

// stalled never gives a byte until its context ends.
type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func TestClientsThatDieHoldNothing(t *testing.T) {
	j := &fixedJournal{}
	in := testIntake(t, testConfig(), j)
	s := serveAlone(t, in, newHTTPServer(&httpHandler{in}, in.logger))
	conn := connect(t, s.addr())
	raw := encode(t, traceRequest(100))
	sendText(t, conn, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", protobufType, len(raw), raw[:len(raw)/2])
	waitUntil(t, "the request is admitted", func() bool { return in.budget.used.Load() > 0 })
	_ = conn.Close()
	waitUntil(t, "nothing is charged any more", func() bool { return in.budget.used.Load() == 0 })
	if j.appended != 0 {
		t.Error("half a request was appended")
	}
}

// TestSlowClientsAreCutOff uses shorter bounds than a real server's.
func TestSlowClientsAreCutOff(t *testing.T) {
	cfg := testConfig()
	cfg.SlowAfter = 200 * time.Millisecond
	in := testIntake(t, cfg, &fixedJournal{})
	hs := newHTTPServer(&httpHandler{in}, in.logger)
	hs.ReadHeaderTimeout = 100 * time.Millisecond
	s := serveAlone(t, in, hs)

	headers := connect(t, s.addr())
	sendText(t, headers, "POST /v1/traces HTTP/1.1\r\nHost:")
	if _, err := io.Copy(io.Discard, headers); errors.Is(err, context.DeadlineExceeded) {
		t.Error("a client without headers is still connected")
	}

	body := connect(t, s.addr())
	sendText(t, body, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\nabc", jsonType)
	resp, err := http.ReadResponse(bufio.NewReader(body), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("answer %d %v to half a body, want 503 with Retry-After", resp.StatusCode, resp.Header)
	}
	if used := in.budget.used.Load(); used != 0 {
		t.Errorf("%d bytes are still charged", used)
	}
}

// TestManyClientsAtOnce: each request that was acknowledged is in the journal,
// once and whole, whoever sent what beside it.
func TestManyClientsAtOnce(t *testing.T) {
	const clients, each = 12, 8
	j := memory.New(memory.Config{MaxBytes: 1 << 30})
	r, _ := receivers(t, testConfig(), j)
	conn := coltrace.NewTraceServiceClient(dial(t, r))
	var sending sync.WaitGroup
	for n := range clients {
		sending.Go(func() {
			for i := range each {
				message := traceRequest(10 + n)
				message.ResourceSpans[0].Resource = service(fmt.Sprintf("client-%d-%d", n, i))
				switch n % 4 {
				case 0:
					if _, err := conn.Export(t.Context(), message); err != nil {
						t.Error(err)
					}
				case 1:
					post(t, r, "/v1/traces", jsonType, spansAsJSON(t, message, strings.ToLower))
				case 2:
					send(t, r, http.MethodPost, "/v1/traces", protobufType, bytes.NewReader(zstdOf(t, encode(t, message))), "Content-Encoding", "zstd")
				case 3:
					send(t, r, http.MethodPost, "/v1/traces", protobufType, bytes.NewReader(gzipOf(t, encode(t, message))), "Content-Encoding", "gzip")
				}
			}
		})
	}
	sending.Wait()
	seen := map[string]int{}
	for _, record := range records(t, j) {
		var stored coltrace.ExportTraceServiceRequest
		if err := proto.Unmarshal(record.Payload, &stored); err != nil {
			t.Fatal(err)
		}
		name := stored.ResourceSpans[0].Resource.Attributes[0].Value.GetStringValue()
		seen[name]++
		var n, i int
		if _, err := fmt.Sscanf(name, "client-%d-%d", &n, &i); err != nil {
			t.Fatal(err)
		}
		want := traceRequest(10 + n)
		want.ResourceSpans[0].Resource = service(name)
		if int(record.Items) != 10+n || !proto.Equal(&stored, want) {
			t.Errorf("%s: what is stored differs from what was sent", name)
		}
	}
	if len(seen) != clients*each {
		t.Errorf("the journal has %d different requests, want %d", len(seen), clients*each)
	}
	for name, times := range seen {
		if times != 1 {
			t.Errorf("%s is in the journal %d times", name, times)
		}
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limitConnections(inner, 2)
	accepted := make(chan net.Conn)
	ended := make(chan error, 1)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- conn
		}
	}()
	for range 3 {
		connect(t, l.Addr())
	}
	first, second := <-accepted, <-accepted
	if err := first.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Errorf("one side cannot be closed alone: %v", err)
	}
	select {
	case <-accepted:
		t.Fatal("a third connection was accepted")
	default:
	}
	_ = first.Close()
	_ = first.Close() // counts once
	third := <-accepted
	_ = l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept ended with %v while at the limit, want net.ErrClosed", err)
	}
	_ = second.Close()
	_ = third.Close()
}
