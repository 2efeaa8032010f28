package viewer

import (
	"net"
	"net/http"
	"testing"
)

func TestGuardAllows(t *testing.T) {
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 16686}
	everywhere := &net.TCPAddr{IP: net.IPv6zero, Port: 16686}
	traces := []string{"Traces.example.org"}
	f := func(addr net.Addr, hosts []string, host string, want bool) {
		t.Helper()
		if got := newGuard(addr, hosts, http.NotFoundHandler()).allows(host); got != want {
			t.Errorf("on %v with hosts %v, %q is allowed: %v, want %v", addr, hosts, host, got, want)
		}
	}
	f(loopback, nil, "localhost:16686", true)
	f(loopback, nil, "LocalHost", true)
	f(loopback, nil, "localhost.", true)
	f(loopback, nil, "waybill.localhost:16686", true)
	f(loopback, nil, "127.0.0.1:16686", true)
	f(loopback, nil, "[::1]:16686", true)
	f(loopback, nil, "[::1]", true)
	f(loopback, nil, "evil.example:16686", false)
	f(loopback, nil, "127.0.0.1.evil.example", false)
	f(loopback, nil, "localhost.evil.example", false)
	f(loopback, nil, "evillocalhost", false)
	f(loopback, nil, "", false)
	f(loopback, traces, "traces.example.org", true)
	f(loopback, traces, "traces.example.org.:443", true)
	f(loopback, traces, "evil.example", false)
	f(loopback, traces, "localhost:16686", true)
	f(everywhere, nil, "anything.example", true)
	f(everywhere, traces, "anything.example", false)
	f(everywhere, traces, "10.1.2.3:16686", true)
	f(everywhere, traces, "traces.example.org:16686", true)
}
