package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// command runs the command and returns its exit status and what it printed.
func command(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(t.Context(), args, &o, &e)
	return status, o.String(), e.String()
}

func TestTheTableReconciles(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	status, out, errs := command(t, "--endpoint", server.URL, "--rate", "200", "--traces", "20", "--quiet")
	if status != 0 || errs != "" {
		t.Fatalf("exit status %d\n%s", status, errs)
	}
	rows := map[string][]string{}
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) == 5 {
			rows[words[0]] = words[1:]
		}
	}
	made, acknowledged := rows["made"], rows["acknowledged"]
	if len(made) != 4 || made[1] != "20" || strings.Join(made, " ") != strings.Join(acknowledged, " ") || rows["failed"][2] != "0" {
		t.Errorf("table:\n%s", out)
	}
	if !strings.Contains(out, "p99") {
		t.Errorf("no latency:\n%s", out)
	}
}

func TestExitStatus(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		want int
		says string
	}{
		{"not acknowledged", []string{"--endpoint", "http://127.0.0.1:1", "--traces", "1", "--timeout", "50ms"}, 1, ""},
		{"unknown flag", []string{"--nope"}, 2, "not defined: -nope"},
		{"stray word", []string{"here"}, 2, `"here" is no flag`},
		{"bad protocol", []string{"--protocol", "kafka"}, 2, "kafka"},
		{"bad endpoint", []string{"--endpoint", "localhost:4318"}, 2, "want a URL"},
		{"help", []string{"--help"}, 0, "-endpoint"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, _, errs := command(t, test.args...)
			if status != test.want || !strings.Contains(errs, test.says) {
				t.Errorf("exit status %d, want %d; printed:\n%s", status, test.want, errs)
			}
		})
	}
}
