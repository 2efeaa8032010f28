package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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
		{"stray word", []string{"here"}, 2, `"here" is no command`},
		{"stray word behind run", []string{"run", "here"}, 2, `"here" is no flag`},
		{"unknown topology", []string{"--topology", "nowhere.yaml"}, 2, "shop"},
		{"topology without a verb", []string{"topology"}, 2, "want list, show, check"},
		{"topology with another", []string{"topology", "paint", "shop"}, 2, "topology paint"},
		{"nothing to show", []string{"topology", "show"}, 2, "topology show"},
		{"bad protocol", []string{"--protocol", "kafka"}, 2, "kafka"},
		{"bad endpoint", []string{"--endpoint", "localhost:4318"}, 2, "want a URL"},
		{"bad threshold", []string{"--fail-if", "los>0"}, 2, "want one of failed"},
		{"bad pace", []string{"--pace", "zigzag"}, 2, "want constant, ramp"},
		{"bad header", []string{"--header", "Authorization"}, 2, "want NAME: VALUE"},
		{"bad routing", []string{"--routing", "anywhere"}, 2, "round-robin"},
		{"bad compression", []string{"--compression", "brotli"}, 2, "zstd"},
		{"bad authorities", []string{"--ca", "/nowhere.pem", "--endpoint", "https://127.0.0.1:1", "--traces", "1"}, 2, "/nowhere.pem"},
		{"bad signals", []string{"--signals", "logs"}, 2, "want traces"},
		{"logs to Zipkin", []string{"--signals", "traces,logs", "--protocol", "zipkin"}, 2, "go by OTLP"},
		{"two loops", []string{"--in-flight", "4", "--rate", "4"}, 2, "open or closed"},
		{"bad URL to verify with", []string{"--verify", "jaeger"}, 2, "want a URL"},
		{"metrics nowhere", []string{"--metrics", "nowhere"}, 2, "nowhere"},
		{"verify without a report", []string{"verify"}, 2, "--report"},
		{"verify an absent report", []string{"verify", "--report", "/nowhere.json"}, 2, "/nowhere.json"},
		{"verify with two", []string{"verify", "--viewer", "http://a", "--jaeger", "http://b"}, 2, "want one of"},
		{"bad share", []string{"sink", "--drop", "much"}, 2, "want a share"},
		{"sink nowhere", []string{"sink", "--grpc", "off", "--http", "off"}, 2, "nowhere"},
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

// Two targets get the same, with the header, whose value nobody is told.
func TestFlagsOfSending(t *testing.T) {
	t.Setenv("TRACEGEN_TEST_TOKEN", "s3cr3t")
	var requests atomic.Int64
	var targets []string
	for range 2 {
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			requests.Add(1)
			if r.Header.Get("X-Token") != "Bearer s3cr3t" || r.Header.Get("Content-Encoding") != "zstd" {
				t.Errorf("headers = %v", r.Header)
			}
			_, _ = io.Copy(io.Discard, r.Body)
		}))
		defer server.Close()
		targets = append(targets, "--endpoint", server.URL)
	}
	report := filepath.Join(t.TempDir(), "report.json")
	status, out, errs := command(t, append(targets, "--routing", "mirror", "--header", "X-Token: Bearer ${env:TRACEGEN_TEST_TOKEN}",
		"--compression", "zstd", "--traces", "8", "--rate", "0", "--batch", "4", "--report", report)...)
	if status != 0 || requests.Load() != 4 || strings.Count(out, "took 2 requests, refused 0") != 2 {
		t.Errorf("exit status %d, %d requests\n%s%s", status, requests.Load(), out, errs)
	}
	written, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if all := out + errs + string(written); strings.Contains(all, "s3cr3t") {
		t.Errorf("the secret is told:\n%s", all)
	}
}

func TestTopologyCommands(t *testing.T) {
	svg := filepath.Join(t.TempDir(), "shop.svg")
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"list"}, []string{"shop", "7 services", "realistic", "40 services"}},
		{[]string{"show", "shop"}, []string{"services:", "traces:"}},
		{[]string{"schema"}, []string{"json-schema.org"}},
		{[]string{"check", "--svg", svg, "--rate", "100", "shop"}, []string{"psp: POST /charges (server) [up to 4 attempts]", "spans", "depth", "bytes", "at 100 traces a second", "spans a second"}},
	} {
		status, out, errs := command(t, append([]string{"topology"}, test.args...)...)
		if status != 0 || errs != "" {
			t.Errorf("%v: exit status %d\n%s", test.args, status, errs)
		}
		for _, want := range test.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v: no %q in\n%s", test.args, want, out)
			}
		}
	}
	drawn, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	var picture struct {
		Boxes []struct{} `xml:"rect"`
		Lines []struct{} `xml:"path"`
	}
	if err := xml.Unmarshal(drawn, &picture); err != nil || len(picture.Boxes) != 7 || len(picture.Lines) != 6 {
		t.Errorf("%d boxes, %d lines, %v:\n%s", len(picture.Boxes), len(picture.Lines), err, drawn)
	}
}

func TestABadTopologyIsNotSent(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(file, []byte("services: {a: {operations: {x: {calls: [x]}}}}\ntraces: [{start: a/x}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, errs := command(t, "--topology", file); status != 2 || !strings.Contains(errs, file+":1: a cycle: a/x calls a/x") {
		t.Errorf("exit status %d\n%s", status, errs)
	}
}
