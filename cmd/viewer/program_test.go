package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tracespb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/viewer"
	"github.com/waybill-dev/waybill/viewer/viewertest"
)

const patience = 30 * time.Second

// anyPort has every listener on a free port, or off.
const anyPort = `
receive:
  otlp:
    grpc: {address: "127.0.0.1:0"}
    http: {address: "127.0.0.1:0"}
  jaeger:
    thrift_compact: {address: "off"}
    thrift_binary: {address: "off"}
    thrift_http: {address: "off"}
    grpc: {address: "off"}
    sampling: {address: "off"}
  zipkin: {address: "off"}
derive: {address: "127.0.0.1:0"}
admin: {address: "127.0.0.1:0"}
viewer: {address: "127.0.0.1:0", max_traces: 1000}
`

func configFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "viewer.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func noEnv(string) (string, bool) { return "", false }

// running is the program at work.
type running struct {
	collector *collector.Collector
	viewer    *viewer.Viewer
	out       *bytes.Buffer
	stop      func() error
}

// start runs the program and waits until it listens; stop ends it as SIGINT
// does, and what it has printed may be read from then on.
func start(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{out: &bytes.Buffer{}}
	p := newProgram(r.out, io.Discard, noEnv)
	p.lookEvery = 5 * time.Millisecond
	started, ended := make(chan struct{}), make(chan error, 1)
	p.started = func(c *collector.Collector, v *viewer.Viewer) {
		r.collector, r.viewer = c, v
		close(started)
	}
	if err := p.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(context.Background())
	t.Cleanup(interrupt)
	go func() { ended <- p.Run(ctx) }()
	select {
	case <-started:
	case err := <-ended:
		t.Fatalf("it did not start: %v", err)
	case <-time.After(patience):
		t.Fatal("it does not start")
	}
	r.stop = func() error {
		interrupt()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("it does not stop")
		}
	}
	return r
}

// send exports spans over OTLP/HTTP and expects them to be acknowledged.
func (r *running) send(t *testing.T, spans ...*tracepb.Span) {
	t.Helper()
	body, err := proto.Marshal(&tracespb.ExportTraceServiceRequest{
		ResourceSpans: []*tracepb.ResourceSpans{viewertest.Spans(viewertest.Resource("gateway"), spans...)},
	})
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + r.collector.OTLPHTTP().String() + "/v1/traces"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	if status, answer := do(t, request); status != http.StatusOK {
		t.Fatalf("export: %d %s", status, answer)
	}
}

// get reads a page of the viewer.
func (r *running) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.viewer.Addr().String()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, request)
}

// await reads a page until it answers 200.
func (r *running) await(t *testing.T, path string) (body string) {
	t.Helper()
	status := 0
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if status, body = r.get(t, path); status == http.StatusOK {
			return body
		}
	}
	t.Fatalf("%s: %d %s", path, status, body)
	return ""
}

func do(t *testing.T, request *http.Request) (status int, body string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(read)
}

func wantText(t *testing.T, body string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(body, text) {
			t.Errorf("%q is missing in:\n%s", text, body)
		}
	}
}

func TestWhatIsSentIsShownAndSurvivesARestart(t *testing.T) {
	dir, config := filepath.Join(t.TempDir(), "journal"), configFile(t, anyPort)
	id := viewertest.TraceID(1).String()
	r := start(t, "--config", config, "--journal", dir)
	r.send(t, viewertest.Span(1, 1, 0, "GET /old", time.Now(), time.Millisecond))
	wantText(t, r.await(t, "/trace/"+id), "GET /old", "gateway")
	wantText(t, r.await(t, "/api/traces/"+id), `"operationName":"GET /old"`)
	wantText(t, r.await(t, "/?service=gateway"), "GET /old", "/trace/"+id)
	viewerAddr := r.viewer.Addr().String()
	if err := r.stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
	wantText(t, r.out.String(), "viewer     http://"+viewerAddr+"\n", "otlp-http  http://127.0.0.1:", "metrics    http://127.0.0.1:")

	r = start(t, "--config", config, "--journal", dir)
	wantText(t, r.await(t, "/trace/"+id), "GET /old")
	r.send(t, viewertest.Span(2, 1, 0, "GET /new", time.Now(), time.Millisecond))
	r.await(t, "/trace/"+viewertest.TraceID(2).String())
	wantText(t, r.await(t, "/"), "GET /old", "GET /new")
	if err := r.stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
}

func TestFlagsWinOverTheFile(t *testing.T) {
	p := newProgram(io.Discard, io.Discard, noEnv)
	file := configFile(t, "journal: {dir: from-file, retain: false}\nviewer: {address: 127.0.0.1:1, hosts: [traces.example.org]}\n")
	if err := p.ParseFlags([]string{"--config", file, "--journal", "from-flag", "--address", "127.0.0.1:2"}); err != nil {
		t.Fatal(err)
	}
	cfg, view, err := p.load()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Journal.Dir != "from-flag" || !cfg.Journal.Retain || view.Address != "127.0.0.1:2" || len(view.Hosts) != 1 {
		t.Errorf("got %+v and %+v", cfg.Journal, view)
	}
}

func TestWhatIsWrongIsTold(t *testing.T) {
	f := func(name string, args []string, want string) {
		t.Helper()
		p := newProgram(io.Discard, io.Discard, noEnv)
		err := p.ParseFlags(args)
		if err == nil {
			err = p.Run(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to tell of %q", name, err, want)
		}
	}
	dir := t.TempDir()
	f("an unknown flag", []string{"--port", "1"}, "-port")
	f("a format of logs", []string{"--log-format", "xml"}, "want text or json")
	f("a stray argument", []string{"serve"}, `"serve"`)
	f("no such file", []string{"--config", filepath.Join(dir, "none.yaml")}, "none.yaml")
	f("an unknown key", []string{"--config", configFile(t, "viewer: {port: 1}\n")}, "viewer.yaml:1")
	f("a bad address", []string{"--config", configFile(t, anyPort), "--journal", dir, "--address", "16686"}, "address")
	r := start(t, "--config", configFile(t, anyPort), "--journal", filepath.Join(dir, "a"))
	taken := r.viewer.Addr().String()
	f("a port that there is not", []string{"--config", configFile(t, anyPort), "--journal", dir, "--address", "127.0.0.1:99999"}, "viewer.address: \"127.0.0.1:99999\": the port")
	f("a port that is taken", []string{"--config", configFile(t, anyPort), "--journal", filepath.Join(dir, "b"), "--address", taken}, "viewer.address: "+taken+": bind: address already in use (")
	f("a journal in use", []string{"--config", configFile(t, anyPort), "--journal", filepath.Join(dir, "a")}, "journal")
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// reloads is how many configurations the collector has counted with an outcome.
func (r *running) reloads(t *testing.T, outcome string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.collector.Admin().String()+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	_, text := do(t, request)
	_, after, _ := strings.Cut(text, `waybill_config_reloads_total{outcome="`+outcome+`"} `)
	count, _, _ := strings.Cut(after, "\n")
	return count
}

func (r *running) awaitReload(t *testing.T, outcome, count string) {
	t.Helper()
	for deadline := time.Now().Add(patience); r.reloads(t, outcome) != count; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s %s, want %s", r.reloads(t, outcome), outcome, count)
		}
	}
}

// TestTheFileIsFollowed changes what can be taken over, and the viewer's own
// part, which can not.
func TestTheFileIsFollowed(t *testing.T) {
	config := configFile(t, anyPort)
	r := start(t, "--config", config, "--journal", filepath.Join(t.TempDir(), "journal"))
	rewrite := func(text string) {
		t.Helper()
		if err := os.WriteFile(config+".next", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(config+".next", config); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(anyPort + "redact: {enabled: true}\n")
	r.awaitReload(t, "applied", "1")
	r.send(t, viewertest.Span(1, 1, 0, "pay 4111111111111111", time.Now(), time.Millisecond))
	wantText(t, r.await(t, "/trace/"+viewertest.TraceID(1).String()), "pay REDACTED")
	rewrite(strings.Replace(anyPort, "max_traces: 1000", "max_traces: 2000", 1))
	r.awaitReload(t, "refused", "1")
	r.send(t, viewertest.Span(2, 1, 0, "pay 4111111111111111", time.Now(), time.Millisecond))
	wantText(t, r.await(t, "/trace/"+viewertest.TraceID(2).String()), "pay REDACTED")
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// noDoor is a viewer that takes any rule.
type noDoor struct{ rules []listen.Security }

func (d *noDoor) Prepare(rule listen.Security) (func(), error) {
	return func() { d.rules = append(d.rules, rule) }, nil
}

func TestLoadAgainNamesWhatNeedsARestart(t *testing.T) {
	p := newProgram(io.Discard, io.Discard, noEnv)
	if err := p.ParseFlags([]string{"--config", configFile(t, anyPort+"\n")}); err != nil {
		t.Fatal(err)
	}
	_, view, err := p.load()
	if err != nil {
		t.Fatal(err)
	}
	door := &noDoor{}
	if _, _, err := p.loadAgain(door, &view); err != nil {
		t.Errorf("the same again: %v", err)
	}
	view.MaxTraces, view.Hosts, view.Auth.Bearer = 1, []string{"traces.example.org"}, listen.Tokens{"t0ken"}
	if _, _, err := p.loadAgain(door, &view); !errors.Is(err, collector.ErrRestart) || !strings.HasSuffix(err.Error(), ": viewer.hosts, viewer.max_traces") {
		t.Errorf("%v", err)
	}
	if len(door.rules) > 0 {
		t.Errorf("the listener has got %v", door.rules)
	}
}

// TestTheListenerTakesAnotherRule has a file that switches a token on, changes it,
// and then wants what is not there.
func TestTheListenerTakesAnotherRule(t *testing.T) {
	config := configFile(t, anyPort)
	r := start(t, "--config", config, "--journal", filepath.Join(t.TempDir(), "journal"))
	at := r.viewer.Addr().String()
	rewrite := func(rule string) {
		t.Helper()
		text := strings.Replace(anyPort, "max_traces", rule+"max_traces", 1)
		if err := os.WriteFile(config+".next", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(config+".next", config); err != nil {
			t.Fatal(err)
		}
	}
	status := func(token string) int {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+at+"/api/services", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0 // The connection was from before a change.
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode
	}
	await := func(token string, want int) {
		t.Helper()
		for deadline := time.Now().Add(patience); status(token) != want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("with token %s: %d, want %d", token, status(token), want)
			}
		}
	}
	await("first", 200)
	rewrite("auth: {bearer: first}, ")
	await("second", 401)
	await("first", 200)
	rewrite("auth: {bearer: second}, ")
	await("second", 200)
	await("first", 401)
	rewrite("tls: {cert_file: /nowhere/tls.crt, key_file: /nowhere/tls.key}, ")
	r.awaitReload(t, "refused", "1")
	await("second", 200)
	rewrite("")
	await("first", 200)
	if r.viewer.Addr().String() != at {
		t.Errorf("it has moved from %s to %s", at, r.viewer.Addr())
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

func TestVersion(t *testing.T) {
	var out bytes.Buffer
	p := newProgram(&out, io.Discard, noEnv)
	if err := p.ParseFlags([]string{"--config", "/nowhere", "version"}); err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantText(t, out.String(), "version   ", "revision  ", "go        go")
	if err := newProgram(io.Discard, io.Discard, noEnv).ParseFlags([]string{"version", "more"}); err == nil {
		t.Error("something after version was taken")
	}
}
