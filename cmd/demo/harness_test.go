package main

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what should take a moment.
const patience = 30 * time.Second

// freePorts has every listener of the collector and the viewer take a free one.
const freePorts = `
receive:
  otlp:
    grpc: {address: "127.0.0.1:0"}
    http: {address: "127.0.0.1:0"}
derive: {address: "127.0.0.1:0"}
admin: {address: "127.0.0.1:0"}
viewer: {address: "127.0.0.1:0"}
`

func writeFile(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "demo.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// output is what the program writes, for a test to read while it runs.
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

// program is the command while it runs.
type program struct {
	out, errs *output
	ended     chan struct{}
	status    int
	interrupt context.CancelFunc
}

// environment is all the variables there are.
type environment map[string]string

func (e environment) lookup(name string) (string, bool) {
	value, set := e[name]
	return value, set
}

// runProgram starts the command; the test's end stops it.
func runProgram(t *testing.T, env environment, args ...string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &program{out: &output{}, errs: &output{}, ended: make(chan struct{}), interrupt: cancel}
	go func() {
		defer close(p.ended)
		p.status = command{getenv: env.lookup, stdout: p.out, stderr: p.errs}.run(ctx, args)
	}()
	t.Cleanup(func() {
		cancel()
		<-p.ended
		if t.Failed() {
			t.Logf("demo %v\nstdout:\n%s\nstderr:\n%s", args, p.out, p.errs)
		}
	})
	return p
}

// stop interrupts the program, and returns its status and how long it took.
func (p *program) stop(t *testing.T) (status int, took time.Duration) {
	t.Helper()
	start := time.Now()
	p.interrupt()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("the program goes on")
	}
	return p.status, time.Since(start)
}

// address waits for the line that begins with the name, and returns the rest.
func (p *program) address(t *testing.T, name string) string {
	t.Helper()
	var found string
	eventually(t, "the address of "+name, func() bool {
		for line := range strings.Lines(p.out.String()) {
			if fields := strings.Fields(line); len(fields) == 2 && fields[0] == name && strings.HasSuffix(line, "\n") {
				found = fields[1]
				return true
			}
		}
		select {
		case <-p.ended:
			t.Fatalf("the program has ended with %d: %s", p.status, p.errs)
		default:
		}
		return false
	})
	return found
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v there is no %s", patience, what)
		}
	}
}

// answer is an HTTP response that has been read.
type answer struct {
	status int
	header http.Header
	body   string
}

// client keeps no connections, which would look like leaked goroutines.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

func send(t *testing.T, method, url, body string, header http.Header) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(request.Header, header)
	response, err := client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(raw)}
}

func get(t *testing.T, url string) answer {
	t.Helper()
	return send(t, http.MethodGet, url, "", nil)
}

// goroutines counts them. The one that waits for signals stays for ever once
// somebody has asked for one, so it is there from the start.
func goroutines() int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	signal.Stop(signals)
	return runtime.NumGoroutine()
}

// wantNoMoreGoroutines waits until there are no more than before.
func wantNoMoreGoroutines(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			var stacks strings.Builder
			_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks.String())
		}
	}
}
