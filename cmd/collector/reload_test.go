package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector"
)

// logs runs a program and gives its log's messages, a JSON object each.
type logs struct {
	lines chan map[string]any
}

func newLogs() *logs { return &logs{lines: make(chan map[string]any, 1000)} }

func (l *logs) Write(line []byte) (int, error) {
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		return 0, err
	}
	l.lines <- fields
	return len(line), nil
}

// wait skips to the first line with that message.
func (l *logs) wait(t *testing.T, message string) map[string]any {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		select {
		case line := <-l.lines:
			if line["msg"] == message {
				return line
			}
		case <-timeout:
			t.Fatalf("nothing was logged of %q", message)
		}
	}
}

// TestTheFileIsFollowed changes it in the ways in which editors and
// orchestrators do, and breaks it once.
func TestTheFileIsFollowed(t *testing.T) {
	log := newLogs()
	path := config(t, "admin: {address: '127.0.0.1:0', log_level: info}\n")
	trim(t, path)
	follow(t, path, log)
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		next := path + ".next"
		if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, path); err != nil {
			t.Fatal(err)
		}
	}
	write(string(was) + "redact: {enabled: true}\n")
	if line := log.wait(t, "configuration is taken over"); len(line["changed"].([]any)) != 1 {
		t.Errorf("%v", line)
	}
	write(string(was) + "redact: {enabeld: true}\n")
	if line := log.wait(t, "configuration is not taken over"); !strings.Contains(line["error"].(string), "did you mean enabled?") {
		t.Errorf("%v", line)
	}
	write(strings.Replace(string(was), "derive: {", "derive: {names: grafana, ", 1))
	if line := log.wait(t, "configuration is not taken over: restart for it, or take these changes back"); !strings.Contains(line["error"].(string), "derive.names") {
		t.Errorf("%v", line)
	}
	// In place.
	if err := os.WriteFile(path, []byte(strings.Replace(string(was), "log_level: info", "log_level: debug", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	log.wait(t, "configuration is taken over")
}

// TestTheLevelIsFollowed from one at which it is not logged that a file is taken
// over.
func TestTheLevelIsFollowed(t *testing.T) {
	log := newLogs()
	path := config(t, "admin: {address: '127.0.0.1:0', log_level: error}\n")
	trim(t, path)
	follow(t, path, log)
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(was), "log_level: error", "log_level: info", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	log.wait(t, "configuration is taken over")
}

// follow runs the program until the test ends, with a look at its file every few
// milliseconds.
func follow(t *testing.T, path string, log io.Writer) {
	t.Helper()
	p := newProgram(io.Discard, log, noEnv)
	p.lookEvery = 5 * time.Millisecond
	if err := p.ParseFlags([]string{"--config", path, "--log-format", "json"}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	started, ended := make(chan struct{}), make(chan error, 1)
	p.started = func(*collector.Collector) { close(started) }
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-started:
	case <-time.After(30 * time.Second):
		t.Fatal("it does not start")
	}
}

// trim takes away the admin section of config, where a test has its own.
func trim(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "admin: {address: '127.0.0.1:0'}\n", "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestHangup runs the command as a process, and sends it SIGHUP.
func TestHangup(t *testing.T) {
	path := config(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "--config", path, "--log-format", "json")
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
			t.Fatal(err)
		}
		messages = append(messages, line.Msg)
		signal := map[string]os.Signal{"collector is running": syscall.SIGHUP, "configuration has not changed": syscall.SIGTERM}[line.Msg]
		if signal == nil {
			continue
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	want := "collector is running; configuration has not changed; collector is stopping; collector has stopped"
	if got := strings.Join(messages, "; "); got != want {
		t.Errorf("it logged %s", got)
	}
}
