package collector

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal/file"
)

// The variables that make this binary the child of TestKill.
const (
	childDir      = "WAYBILL_COLLECTOR_CHILD_DIR"
	childEndpoint = "WAYBILL_COLLECTOR_CHILD_ENDPOINT"
	childSamples  = "WAYBILL_COLLECTOR_CHILD_SAMPLES"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, collectUntilKilled(dir, os.Getenv(childEndpoint)))
		return
	}
	m.Run()
}

// collectUntilKilled is the child: a collector that says where it receives.
func collectUntilKilled(dir, endpoint string) error {
	cfg := testConfig(dir)
	cfg.Journal.Sync = file.SyncAlways
	cfg.Export.Traces[0].Endpoint = endpoint
	if os.Getenv(childSamples) != "" {
		cfg.Sample.Tail = errorsOnly()
	}
	c, err := Start(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	if _, err := fmt.Println(c.OTLPHTTP()); err != nil { //nolint:forbidigo // The parent reads it.
		return err
	}
	select {}
}

// child is a running collector process.
type child struct {
	addr   *net.TCPAddr
	cmd    *exec.Cmd
	stderr bytes.Buffer
}

func startChild(t *testing.T, dir, endpoint string) *child {
	t.Helper()
	c := &child{cmd: exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")}
	c.cmd.Env = append(os.Environ(), childDir+"="+dir, childEndpoint+"="+endpoint)
	c.cmd.Stderr = &c.stderr
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		c.addr, err = net.ResolveTCPAddr("tcp", strings.TrimSpace(line))
	}
	if err != nil {
		c.kill(t)
		t.Fatalf("child said %q and %s: %v", line, c.stderr.String(), err)
	}
	return c
}

// kill is kill -9.
func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait() // It was killed.
	if c.stderr.Len() > 0 {
		t.Fatalf("child said: %s", c.stderr.String())
	}
}

// sender numbers spans and notes which were acknowledged.
type sender struct {
	mu    sync.Mutex
	sent  int
	acked map[int]bool
}

// sendUntil has four clients send spans to the child, and kills it in the
// middle of that, after some acknowledgements.
func (s *sender) sendUntil(t *testing.T, c *child, acks int) {
	t.Helper()
	s.mu.Lock()
	enough := len(s.acked) + acks
	s.mu.Unlock()
	var clients sync.WaitGroup
	reached := make(chan struct{})
	var once sync.Once
	for range 4 {
		clients.Go(func() {
			for {
				n := s.number()
				status, err := post(t.Context(), c.addr, "traces", spanRequest(n, "order", tracepb.Status_STATUS_CODE_OK))
				if err != nil {
					return // The child is dead.
				}
				if status == 200 && s.ack(n) >= enough {
					once.Do(func() { close(reached) })
				}
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(30 * time.Second):
		t.Errorf("the child acknowledges too slowly")
	}
	c.kill(t)
	clients.Wait()
}

func (s *sender) number() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent++
	return s.sent
}

func (s *sender) ack(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked[n] = true
	return len(s.acked)
}

// TestKill kills a collector, again and again, while it receives, while its
// backend is down and while it is up. In the end the backend has every span
// that was acknowledged; twice only what was being sent when a kill came.
func TestKill(t *testing.T) {
	backend := exporttest.New(t)
	dir := t.TempDir()
	s := &sender{acked: map[int]bool{}}
	kills := map[int]bool{} // how many requests the backend had taken at a kill
	for round := range 6 {
		if round%2 == 0 {
			backend.Down()
		} else {
			backend.Up()
		}
		c := startChild(t, dir, backend.URL())
		s.sendUntil(t, c, 40+40*round)
		kills[len(backend.Taken(""))] = true
	}
	backend.Up()
	last := startChild(t, dir, backend.URL())
	defer last.kill(t)
	backend.Wait(t, "every acknowledged span", func() bool {
		found := map[string]bool{}
		for _, span := range backend.Spans(t) {
			found[string(span.GetSpanId())] = true
		}
		for n := range s.acked {
			if !found[string(spanID(n))] {
				return false
			}
		}
		return true
	})
	if len(s.acked) < 800 {
		t.Errorf("the children acknowledged %d spans only", len(s.acked))
	}
	checkDuplicates(t, backend, kills)
}

// checkDuplicates finds the spans that came twice. Of those the first request
// must be the last one before a kill.
func checkDuplicates(t *testing.T, backend *exporttest.Backend, kills map[int]bool) {
	t.Helper()
	first, duplicates := map[string]int{}, 0
	for i, request := range backend.Taken("") {
		for _, span := range exporttest.Spans(t, request) {
			before, seen := first[string(span.GetSpanId())]
			if seen {
				duplicates++
			}
			// At the kill it had been taken, or was about to be.
			if seen && !kills[before+1] && !kills[before] {
				t.Errorf("span %x came in request %d and again in %d; kills were after %v", span.GetSpanId(), before, i, kills)
			}
			first[string(span.GetSpanId())] = i
		}
	}
	t.Logf("%d spans in %d requests, %d twice", len(first), len(backend.Taken("")), duplicates)
}
