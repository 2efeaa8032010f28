package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector"
	"github.com/waybill-dev/waybill/internal/command"
)

// runMain makes this binary the command itself.
const runMain = "WAYBILL_COLLECTOR_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		os.Exit(run())
	}
	m.Run()
}

func noEnv(string) (string, bool) { return "", false }

// receivers has OTLP's listeners on free ports, and no others, in one line.
const receivers = "receive: {otlp: {grpc: {address: '127.0.0.1:0'}, http: {address: '127.0.0.1:0'}}, " +
	"jaeger: {thrift_compact: {address: 'off'}, thrift_binary: {address: 'off'}, thrift_http: {address: 'off'}, " +
	"grpc: {address: 'off'}, sampling: {address: 'off'}}, zipkin: {address: 'off'}}\n"

// config writes a configuration on free ports, with more lines after it, and
// with texts replaced by others, in pairs.
func config(t *testing.T, more string, replaced ...string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "collector.yaml")
	text := receivers +
		"derive: {address: '127.0.0.1:0'}\nadmin: {address: '127.0.0.1:0'}\n" +
		"journal: {dir: '" + filepath.Join(dir, "journal") + "'}\n" + more
	text = strings.NewReplacer(replaced...).Replace(text)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun(t *testing.T) {
	var stderr bytes.Buffer
	p := newProgram(io.Discard, &stderr, noEnv)
	if err := p.ParseFlags([]string{"--config", config(t, ""), "--log-format", "json", "--log-level", "warn"}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	started := make(chan *collector.Collector, 1)
	p.started = func(c *collector.Collector) { started <- c }
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	select {
	case c := <-started:
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Admin().String()+"/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Errorf("/readyz: %v, %v", response, err)
		}
		_ = response.Body.Close()
	case err := <-ended:
		t.Fatalf("Run = %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
	if stderr.Len() > 0 {
		t.Errorf("logged below the level: %s", stderr.String())
	}
}

// TestSignals runs the command as a process, and ends it as an orchestrator does.
func TestSignals(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		cmd := exec.CommandContext(ctx, os.Args[0], "--config", config(t, ""), "--log-format", "json")
		cmd.Env = append(os.Environ(), runMain+"=1")
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var messages []string
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			var line struct{ Msg string }
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Errorf("a log line that is no JSON: %s", lines.Text())
			}
			messages = append(messages, line.Msg)
			if line.Msg == "collector is running" {
				if err := cmd.Process.Signal(signal); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("after %v: %v", signal, err)
		}
		cancel()
		if got, want := strings.Join(messages, "; "), "collector is running; collector is stopping; collector has stopped"; got != want {
			t.Errorf("after %v it logged %s", signal, got)
		}
	}
}

// TestTheStartNamesAllListeners has them by their keys, without those that are off.
func TestTheStartNamesAllListeners(t *testing.T) {
	log := newLogs()
	p := newProgram(io.Discard, log, noEnv)
	path := config(t, "", "http: {address: '127.0.0.1:0'}", "http: {address: '127.0.0.1:0', auth: {bearer: t0ken}}")
	if err := p.ParseFlags([]string{"--config", path, "--log-format", "json"}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	p.started = func(*collector.Collector) { stop() }
	if err := p.Run(ctx); err != nil {
		t.Fatal(err)
	}
	line := log.wait(t, "collector is running")
	for _, key := range []string{"receive.otlp.grpc", "receive.otlp.http", "derive", "admin"} {
		if at, _ := line[key].(string); !strings.HasPrefix(at, "127.0.0.1:") || strings.HasSuffix(at, " (token)") != (key == "receive.otlp.http") {
			t.Errorf("%s is at %v", key, line[key])
		}
	}
	if _, there := line["receive.zipkin"]; there {
		t.Errorf("a listener that is off is named: %v", line)
	}
}

func TestExitStatus(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for _, test := range []struct {
		args []string
		want int
	}{
		{[]string{"validate"}, 0},
		{[]string{"-h"}, 0},
		{[]string{"version"}, 0},
		{[]string{"--nothing"}, 2},
		{[]string{"--config", config(t, "nothing: 1\n")}, 2},
		{[]string{"--config", config(t, "viewer: {}\n")}, 2},
		{[]string{"--config", strings.Replace(config(t, ""), "collector.yaml", "none.yaml", 1)}, 2},
		{[]string{"--config", config(t, "", "http: {address: '127.0.0.1:0'}", "http: {address: '127.0.0.1:99999'}")}, 2},
		{[]string{"--config", config(t, "", "admin: {address: '127.0.0.1:0'}", "admin: {address: '127.0.0.1:70000'}")}, 2},
		{[]string{"--config", config(t, "", "admin: {address: '127.0.0.1:0'}", "admin: {address: '"+taken.Addr().String()+"'}")}, 1},
		{[]string{"--config", config(t, "export: {}\n"), "validate", "--log-format", "json"}, 0},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], test.args...)
		cmd.Env = append(os.Environ(), runMain+"=1")
		_, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != test.want {
			t.Errorf("%q exited with %d (%v), want %d", test.args, got, err, test.want)
		}
	}
}

// TestValidateWarns of a file that a collector would want, which says nothing of
// the configuration.
func TestValidateWarns(t *testing.T) {
	path := config(t, "", "admin: {address: '127.0.0.1:0'}", "admin: {address: '127.0.0.1:0', auth: {bearer_file: /nowhere}}")
	var out, complaints bytes.Buffer
	p := newProgram(&out, &complaints, noEnv)
	if err := p.ParseFlags([]string{"validate", "--config", path}); err != nil {
		t.Fatal(err)
	}
	if err := p.Run(t.Context()); err != nil || out.String() != "configuration is valid\n" || !strings.Contains(complaints.String(), "\nadmin.auth.bearer_file: open /nowhere: ") {
		t.Errorf("%v, %q, %q", err, out.String(), complaints.String())
	}
}

func TestValidate(t *testing.T) {
	good, bad := config(t, ""), config(t, "export:\n  traces: {endpoint: '${env:TO}'}\n")
	getenv := func(string) (string, bool) { return "nowhere", true }
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"validate"}, ""},
		{[]string{"validate", "--config", good}, ""},
		{[]string{"--config", good, "validate"}, ""},
		{[]string{"validate", "--config", bad}, "collector.yaml:6: export.traces.endpoint: want http://"},
		{[]string{"validate", "--config", good + "x"}, "no such file"},
	} {
		var stdout bytes.Buffer
		p := newProgram(&stdout, io.Discard, getenv)
		if err := p.ParseFlags(test.args); err != nil {
			t.Fatal(err)
		}
		err := p.Run(t.Context())
		switch {
		case test.want == "" && (err != nil || stdout.String() != "configuration is valid\n"):
			t.Errorf("%q: %v, %q", test.args, err, stdout.String())
		case test.want != "" && (!errors.Is(err, command.ErrConfiguration) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%q: %v; want %q", test.args, err, test.want)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(good)); err != nil || len(entries) != 1 {
		t.Errorf("validating left %v behind, %v", entries, err)
	}
}

func TestParseFlagsRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"run"}, {"--nothing"}, {"--log-format", "xml"}, {"--log-level", "loud"}, {"validate", "me"}, {"validate", "validate"}, {"validate", "version"},
	} {
		if err := newProgram(io.Discard, io.Discard, noEnv).ParseFlags(args); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
	err := newProgram(io.Discard, io.Discard, noEnv).ParseFlags([]string{"--log-level", "loud"})
	if err == nil || !strings.Contains(err.Error(), "want debug, info, warn or error") {
		t.Errorf("a level that there is not: %v", err)
	}
	var stderr bytes.Buffer
	if err := newProgram(io.Discard, &stderr, noEnv).ParseFlags([]string{"-h"}); !errors.Is(err, flag.ErrHelp) || !strings.Contains(stderr.String(), "usage: collector [validate | sample | version]") {
		t.Errorf("-h: %v, %s", err, stderr.String())
	}
}

func TestStartThatFails(t *testing.T) {
	path := config(t, "")
	hold := newProgram(io.Discard, io.Discard, noEnv)
	if err := hold.ParseFlags([]string{"--config", path}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	started, ended := make(chan struct{}), make(chan error, 1)
	hold.started = func(*collector.Collector) { close(started) }
	go func() { ended <- hold.Run(ctx) }()
	<-started
	second := newProgram(io.Discard, io.Discard, noEnv)
	if err := second.ParseFlags([]string{"--config", path}); err != nil {
		t.Fatal(err)
	}
	if err := second.Run(ctx); err == nil || errors.Is(err, command.ErrConfiguration) {
		t.Errorf("two run on one journal: %v", err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
