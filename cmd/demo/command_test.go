package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// wait returns the status of a program that ends by itself.
func (p *program) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("the program goes on")
	}
	return p.status
}

func TestCalls(t *testing.T) {
	bad := writeFile(t, "receive:\n  otlp:\n    tcp: {}\n")
	for _, c := range []struct {
		args   []string
		env    environment
		status int
		stderr string
	}{
		{[]string{"warehouse"}, nil, 2, `"warehouse" is none of shopper, health, psp, payment,`},
		{[]string{"--speed", "3"}, nil, 2, "flag provided but not defined: -speed"},
		{[]string{"--rate", "1", "more"}, nil, 2, `"more" is no flag`},
		{[]string{"--rate", "-1"}, nil, 2, "want more than 0"},
		{[]string{"--for", "-1s"}, nil, 2, "is negative"},
		{[]string{"order", "--port", "1"}, nil, 2, "flag provided but not defined: -port"},
		{[]string{"order"}, environment{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector"}, 1, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{[]string{"shopper", "--gateway", "nowhere"}, nil, 2, "want a URL"},
		{[]string{"shopper"}, environment{"RATE": "many"}, 2, `RATE="many"`},
		{[]string{"health"}, nil, 2, "health takes one URL"},
		{[]string{"health", "http://127.0.0.1:1/healthz"}, nil, 1, "127.0.0.1:1"},
		{[]string{"--config", bad}, nil, 1, bad + ":3"},
		{[]string{"--config", "/nowhere/demo.yaml"}, nil, 1, "/nowhere/demo.yaml"},
		{[]string{"--data", bad}, nil, 1, bad},
	} {
		p := runProgram(t, c.env, c.args...)
		if status := p.wait(t); status != c.status || !strings.Contains(p.errs.String(), c.stderr) {
			t.Errorf("demo %v: %d %q, want %d %q", c.args, status, p.errs, c.status, c.stderr)
		}
	}
}

func TestHelp(t *testing.T) {
	for flag, args := range map[string][]string{"-gateway": {"--help"}, "-admin": {"order", "--help"}, "-seed": {"shopper", "-h"}} {
		p := runProgram(t, nil, args...)
		if status := p.wait(t); status != 0 || !strings.Contains(p.out.String(), flag) || !strings.HasPrefix(p.out.String(), synopsis) {
			t.Errorf("demo %v: %d %s", args, status, p.out)
		}
	}
}

func TestHealth(t *testing.T) {
	code := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
	defer server.Close()
	for code = range map[int]bool{http.StatusOK: true, http.StatusServiceUnavailable: true, http.StatusNotFound: true} {
		want := 1
		if code == http.StatusOK {
			want = 0
		}
		if status := runProgram(t, nil, "health", server.URL).wait(t); status != want {
			t.Errorf("answer %d: status %d, want %d", code, status, want)
		}
	}
}

// TestTakenPort has each of the fixed ports taken by somebody else.
func TestTakenPort(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	at := taken.Addr().String()
	before := runtime.NumGoroutine()
	for _, listener := range []string{"grpc", "http", "derive", "admin", "viewer", "gateway"} {
		gateway, config := "127.0.0.1:0", freePorts
		if listener == "gateway" {
			gateway = at
		}
		config = strings.Replace(config, listener+`: {address: "127.0.0.1:0"}`, fmt.Sprintf("%s: {address: %q}", listener, at), 1)
		p := runProgram(t, nil, "--config", writeFile(t, config), "--gateway", gateway)
		if status := p.wait(t); status != 1 || !strings.Contains(p.errs.String(), at+": bind: address already in use") {
			t.Errorf("%s: %d %q, want an error that names %s", listener, status, p.errs, at)
		}
		if out := p.out.String(); out != "" {
			t.Errorf("%s: stdout %q", listener, out)
		}
		wantNoMoreGoroutines(t, before)
	}
}
