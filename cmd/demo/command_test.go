package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
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
	t.Parallel()
	bad := writeFile(t, "receive:\n  otlp:\n    tcp: {}\n")
	meshDir := t.TempDir()
	guarded := writeFile(t, "receive: {otlp: {http: {auth: {bearer: t0ken}}}}\n")
	for _, c := range []struct {
		args   []string
		env    environment
		status int
		stderr string
	}{
		{[]string{"warehouse"}, nil, 2, `"warehouse" is none of gateway, user, order, inventory, payment, notification, psp, shopper, `},
		{[]string{"--speed", "3"}, nil, 2, "flag provided but not defined: -speed"},
		{[]string{"--rate", "1", "more"}, nil, 2, `"more" is no flag`},
		{[]string{"--rate", "-1"}, nil, 2, "--rate -1: want orders a second, or 0 to have nobody come"},
		{[]string{"--gateway", "nowhere"}, nil, 2, `--gateway "nowhere": want host:port`},
		{[]string{"--for", "-1s"}, nil, 2, "is negative"},
		{[]string{"order", "--listen", "9002"}, nil, 2, `--listen "9002": want host:port`},
		{[]string{"order", "--admin", "127.0.0.1:"}, nil, 2, `--admin "127.0.0.1:": want host:port`},
		{[]string{"order", "--listen", "off"}, nil, 2, `--listen "off": want host:port`},
		{[]string{"gateway"}, environment{"REQUEST_TIMEOUT": "0s"}, 2, `REQUEST_TIMEOUT="0s": want a time`},
		{[]string{"order"}, environment{"SAGA_LEASE": "soon"}, 2, `SAGA_LEASE="soon": want a time`},
		{[]string{"payment"}, environment{"BREAKER_FAILURES": "0"}, 2, `BREAKER_FAILURES="0": want a number`},
		{nil, environment{"PSP_TIMEOUT": "-1s"}, 2, `PSP_TIMEOUT="-1s": want a time`},
		{[]string{"bus"}, nil, 2, "bus wants one of list, show, replay"},
		{[]string{"bus", "list", "1"}, nil, 2, `"1" is no flag`},
		{[]string{"bus", "show"}, nil, 2, "bus show takes the numbers"},
		{[]string{"bus", "replay", "--all", "1"}, nil, 2, "bus replay takes the numbers"},
		{[]string{"bus", "replay", "first"}, nil, 2, `"first" is no number`},
		{[]string{"bus", "list", "--nats", "nats://127.0.0.1:1"}, nil, 1, "connect to bus nats://127.0.0.1:1"},
		{[]string{"saga", "stop"}, nil, 2, "saga wants one of list, resume"},
		{[]string{"saga", "resume"}, nil, 2, "saga resume takes ids of orders"},
		{[]string{"saga", "list", "ord_1"}, nil, 2, `"ord_1" is no flag`},
		{[]string{"saga", "list", "--order", "127.0.0.1:1"}, nil, 1, "list sagas: "},
		{[]string{"readmodel", "rebuild", "--order", "127.0.0.1:1"}, nil, 1, "rebuild the read model: "},
		{[]string{"audit", "--data", "/nowhere"}, nil, 1, "read the database of notification: it is in none of the places"},
		{[]string{"order", "--port", "1"}, nil, 2, "flag provided but not defined: -port"},
		{[]string{"order"}, environment{"OTEL_EXPORTER_OTLP_ENDPOINT": "collector"}, 1, "OTEL_EXPORTER_OTLP_ENDPOINT"},
		{[]string{"order"}, environment{"MESH_DIR": "/nowhere"}, 2, "MESH_DIR wants REGISTRY_URL, too"},
		{[]string{"order"}, environment{"REGISTRY_URL": "nats://127.0.0.1:1", "ADVERTISE_ADDR": "here"}, 1, `ADVERTISE_ADDR="here": want host:port`},
		{[]string{"mesh", "--canary", "101"}, nil, 2, "--canary 101: want 0 to 100"},
		{[]string{"mesh", "--listen", "9007"}, nil, 2, `--listen "9007": want host:port`},
		{[]string{"mesh"}, environment{"CANARY": "many"}, 2, `CANARY="many": want 0 to 100`},
		{[]string{"mesh"}, environment{"MESH_LIFETIME": "long"}, 2, `MESH_LIFETIME="long": want a time`},
		{[]string{"mesh"}, environment{"DATA_DIR": "/dev/null"}, 1, "/dev/null"},
		{[]string{"mesh"}, environment{"DATA_DIR": meshDir, "LISTEN": "0.0.0.0:0"}, 1, "want IP:port, of one IP unless there are hosts"},
		{[]string{"shopper", "--gateway", "nowhere"}, nil, 2, "want a URL"},
		{[]string{"shopper"}, environment{"RATE": "many"}, 2, `RATE="many"`},
		{[]string{"shopper"}, environment{"DAY": "short"}, 2, `DAY="short"`},
		{[]string{"shopper", "--day", "-1s"}, nil, 2, "day -1s: want at least 1s, or 0"},
		{[]string{"--day", "10ms"}, nil, 2, "day 10ms: want at least 1s, or 0"},
		{[]string{"health"}, nil, 2, "health takes one URL"},
		{[]string{"health", "http://127.0.0.1:1/healthz"}, nil, 1, "127.0.0.1:1"},
		{[]string{"--config", bad}, nil, 2, bad + ":3"},
		{[]string{"--config", guarded}, nil, 2, "receive.otlp.http wants token"},
		{[]string{"--config", "/nowhere/demo.yaml"}, nil, 2, "/nowhere/demo.yaml"},
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
	before := goroutines()
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
