package receive

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// pipes is a listener in memory, so that time is the test's.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// TestPace has clients that send their body in pieces, at 1,000 bytes a second
// or less, a second behind at most.
func TestPace(t *testing.T) {
	const second = time.Second
	for _, test := range []struct {
		name    string
		promise int           // bytes; 0: what is there
		piece   int           // bytes
		pause   time.Duration // after each
		pieces  int           // after which nothing comes; 0: all
		status  int
		atMost  time.Duration
	}{
		{"at once", 0, 1 << 20, 0, 0, 200, 0},
		{"steady", 0, 100, 80 * time.Millisecond, 0, 200, 10 * second},
		{"nothing", 0, 1, 0, 0, 200, second},
		{"a pause that is not too long", 0, 3000, 900 * time.Millisecond, 0, 200, 10 * second},
		{"never a byte", 64 << 20, 0, 0, 0, 503, second},
		{"a trickle", 0, 10, 100 * time.Millisecond, 0, 503, 2 * second},
		{"fast, and then nothing", 64 << 20, 4000, 0, 1, 503, second},
		{"too slow for so much", 64 << 20, 4000, 10 * time.Millisecond, 1 << 20, 503, 2 * second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.MinRateBytes, cfg.SlowAfter = 1000, second
				in := testIntake(t, cfg, memory.New(memory.Config{}))
				l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
				s := serve(l, newHTTPServer(&httpHandler{in}, in.logger), in.logger)
				client, far := net.Pipe()
				l.conns <- far
				body := encode(t, traceRequest(20))
				promise := len(body)
				if test.promise > 0 {
					promise = test.promise
					body = make([]byte, promise)
				}
				began := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() {
					_, _ = fmt.Fprintf(client, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", protobufType, promise)
					for n := 0; len(body) > 0 && test.piece > 0 && (test.pieces == 0 || n < test.pieces); n++ {
						piece := body[:min(test.piece, len(body))]
						if _, err := client.Write(piece); err != nil {
							return
						}
						body = body[len(piece):]
						time.Sleep(test.pause)
					}
				})
				resp, err := http.ReadResponse(bufio.NewReader(client), nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				took := time.Since(began)
				// A deadline is moved on in steps of an eighth.
				if resp.StatusCode != test.status || took > test.atMost+second/8 {
					t.Errorf("answer %d after %v, want %d after %v", resp.StatusCode, took, test.status, test.atMost)
				}
				slow := testutil.ToFloat64(in.meters.requests.WithLabelValues("traces", "http", "slow"))
				if (slow == 1) != (test.status == 503) || in.budget.used.Load() != 0 {
					t.Errorf("%v were counted as slow, and %d bytes are charged", slow, in.budget.used.Load())
				}
				_ = client.Close()
				sending.Wait()
				if err := s.shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestPaceEndsWithTheBody has a journal that takes longer than a client may be
// behind: the connection is still read then, and must not end the request.
func TestPaceEndsWithTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.SlowAfter = time.Second
		j := &gatedJournal{Journal: memory.New(memory.Config{}), entered: make(chan struct{}), open: make(chan struct{})}
		in := testIntake(t, cfg, j)
		l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		s := serve(l, newHTTPServer(&httpHandler{in}, in.logger), in.logger)
		client, far := net.Pipe()
		l.conns <- far
		body := encode(t, traceRequest(20))
		go func() {
			_, _ = fmt.Fprintf(client, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", protobufType, len(body), body)
		}()
		<-j.entered
		time.Sleep(30 * time.Second)
		close(j.open)
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || len(records(t, j.Journal)) != 1 {
			t.Errorf("answer %d, %d records", resp.StatusCode, len(records(t, j.Journal)))
		}
		_ = client.Close()
		if err := s.shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestStalledClientsDoNotBlockOthers has as many of them as have promised the
// whole budget: they hold little of it, and not for long.
func TestStalledClientsDoNotBlockOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		in := testIntake(t, cfg, memory.New(memory.Config{}))
		l := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		s := serve(l, newHTTPServer(&httpHandler{in}, in.logger), in.logger)
		ask := func(promise int64, body []byte) net.Conn {
			client, far := net.Pipe()
			l.conns <- far
			sendText(t, client, "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", protobufType, promise, body)
			return client
		}
		status := func() int {
			body := encode(t, traceRequest(1))
			client := ask(int64(len(body)), body)
			defer func() { _ = client.Close() }()
			resp, err := http.ReadResponse(bufio.NewReader(client), nil)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			return resp.StatusCode
		}
		for range 4 {
			stalled := ask(cfg.MaxRequestBytes-1, []byte("abc"))
			defer func() { _ = stalled.Close() }()
		}
		synctest.Wait()
		if got, used := status(), in.budget.used.Load(); got != http.StatusOK || used == 0 || used > 4*firstStep {
			t.Errorf("beside them another is answered %d, and %d bytes are charged", got, used)
		}
		time.Sleep(cfg.SlowAfter + time.Second)
		if used := in.budget.used.Load(); used != 0 {
			t.Errorf("%v later %d bytes are charged", cfg.SlowAfter+time.Second, used)
		}
		if err := s.http.Close(); err != nil {
			t.Error(err)
		}
		s.running.Wait()
		time.Sleep(time.Minute) // The server waits a moment for those it has answered to hang up.
	})
}

// TestPaceOverHTTP2 has a client stall on one stream, and send by another of
// the same connection.
func TestPaceOverHTTP2(t *testing.T) {
	cfg := testConfig()
	cfg.SlowAfter = 300 * time.Millisecond
	in := testIntake(t, cfg, memory.New(memory.Config{}))
	s := serveAlone(t, in, newHTTPServer(&httpHandler{in}, in.logger))
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Transport{Protocols: protocols}
	defer client.CloseIdleConnections()
	post := func(body io.Reader, length int64) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.addr().String()+"/v1/traces", body)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		req.Header.Set("Content-Type", protobufType)
		resp, err := client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	silence, _ := io.Pipe() // The client closes it when it has its answer.
	if got := post(silence, 1<<20); got != http.StatusServiceUnavailable {
		t.Errorf("who stalls is answered %d", got)
	}
	whole := encode(t, traceRequest(3))
	if got := post(bytes.NewReader(whole), int64(len(whole))); got != http.StatusOK {
		t.Errorf("who sends is answered %d", got)
	}
	if slow := testutil.ToFloat64(in.meters.requests.WithLabelValues("traces", "http", "slow")); slow != 1 {
		t.Errorf("%v were counted as slow", slow)
	}
}

// TestLargeBodiesGrow: what is admitted in steps is what was sent, also where
// the budget leaves no room for steps.
func TestLargeBodiesGrow(t *testing.T) {
	for _, inflight := range []int64{8 << 20, 9 << 20, 256 << 20} {
		cfg := testConfig()
		cfg.MaxRequestBytes, cfg.MaxInflightBytes = 8<<20, inflight
		j := memory.New(memory.Config{MaxBytes: 1 << 30})
		r, _ := receivers(t, cfg, j)
		for i, size := range []int{firstStep - 100, firstStep, firstStep + 1, stepFactor*firstStep + 1, 7 << 20} {
			message := traceRequest(1)
			message.ResourceSpans[0].SchemaUrl = strings.Repeat("x", size)
			if status, _, answer := post(t, r, "/v1/traces", protobufType, encode(t, message)); status != http.StatusOK {
				t.Fatalf("%d bytes with %d in flight: %d %q", size, inflight, status, answer)
			}
			var stored coltrace.ExportTraceServiceRequest
			if err := proto.Unmarshal(records(t, j)[i].Payload, &stored); err != nil || !proto.Equal(&stored, message) {
				t.Errorf("%d bytes with %d in flight: stored is another, %v", size, inflight, err)
			}
		}
	}
}
