package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/tracegen"
)

// output is what a command writes, for a test to read while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// find waits until the output matches, and returns the first group.
func (o *output) find(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if found := re.FindStringSubmatch(o.String()); found != nil {
			return found[1]
		}
	}
	t.Fatalf("no %s in\n%s", pattern, o)
	return ""
}

// startSink runs the command sink until stop is called, which returns its last
// words.
func startSink(t *testing.T, args ...string) (url string, stop func() string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var out output
	done := make(chan int)
	go func() {
		done <- run(ctx, append([]string{"sink", "--grpc", "off", "--http", "127.0.0.1:0"}, args...), &out, io.Discard)
	}()
	stop = sync.OnceValue(func() string {
		cancel()
		if status := <-done; status != 0 {
			t.Errorf("the sink exits with %d", status)
		}
		return out.String()
	})
	t.Cleanup(func() { stop() })
	return out.find(t, `http +(\S+)`), stop
}

func TestRunReportAndVerify(t *testing.T) {
	url, stop := startSink(t)
	file := filepath.Join(t.TempDir(), "report.json")
	status, out, errs := command(t, "run", "--endpoint", url, "--rate", "0", "--traces", "40", "--quiet", "--report", file,
		"--fail-if", "loss>0,p99>1m", "--verify", url)
	if status != 0 || errs != "" || !strings.Contains(out, "40 traces asked for") || !strings.Contains(out, "40 whole, 0 missing") {
		t.Errorf("run: exit status %d\n%s%s", status, out, errs)
	}
	if status, out, _ := command(t, "verify", "--report", file, "--sink", url, "--sample", "10"); status != 0 || !strings.Contains(out, "10 whole") {
		t.Errorf("verify: exit status %d\n%s", status, out)
	}
	opened, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	record, err := tracegen.ReadRecord(opened)
	if err != nil || !record.Complete || record.Acknowledged.Traces != 40 || record.Topology != "shop" || record.Latency.Max <= 0 {
		t.Errorf("report = %+v, %v", record, err)
	}
	if words := stop(); !strings.Contains(words, "(0 dropped, 0 duplicates), 40 traces") {
		t.Errorf("the sink says\n%s", words)
	}
}

func TestALossySinkIsFoundOut(t *testing.T) {
	url, stop := startSink(t, "--drop", "5%")
	status, out, _ := command(t, "--endpoint", url, "--rate", "0", "--traces", "100", "--quiet", "--verify", url, "--verify-wait", "0s")
	if status != 1 || !strings.Contains(out, " incomplete") {
		t.Errorf("exit status %d\n%s", status, out)
	}
	dropped := regexp.MustCompile(`\((\d+) dropped`).FindStringSubmatch(stop())
	missing := regexp.MustCompile(`spans: (\d+) missing`).FindStringSubmatch(out)
	if dropped == nil || missing == nil || dropped[1] != missing[1] || dropped[1] == "0" {
		t.Errorf("dropped %v, missing %v:\n%s\n%s", dropped, missing, out, stop())
	}
}

func TestThresholdsDecide(t *testing.T) {
	args := []string{"--endpoint", "http://127.0.0.1:1", "--traces", "1", "--timeout", "50ms", "--quiet", "--fail-if"}
	if status, _, errs := command(t, append(args, "loss>0")...); status != 1 || !strings.Contains(errs, "loss>0: it is 1") {
		t.Errorf("exit status %d\n%s", status, errs)
	}
	if status, _, errs := command(t, append(args, "p99>1h")...); status != 0 {
		t.Errorf("exit status %d\n%s", status, errs)
	}
}

func TestMetricsWhileItRuns(t *testing.T) {
	url, _ := startSink(t)
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs output
	done := make(chan int)
	go func() {
		done <- run(ctx, []string{"--endpoint", url, "--rate", "50", "--duration", "5m", "--metrics", "127.0.0.1:0"}, &out, &errs)
	}()
	metrics := errs.find(t, `metrics +(\S+)`)
	body := ""
	for deadline := time.Now().Add(30 * time.Second); !strings.Contains(body, `tracegen_traces_total{outcome="acknowledged"} 1`); {
		if time.Now().After(deadline) {
			t.Fatalf("metrics:\n%s", body)
		}
		body = fetch(t, metrics)
	}
	cancel()
	if status := <-done; status != 0 || !strings.Contains(out.String(), "acknowledged") {
		t.Errorf("exit status %d after an interrupt\n%s%s", status, &out, &errs)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "" // it does not listen yet
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
