package derive

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/listen/listentest"
)

// TestScrapesAreGuarded has the listener's metrics registered already, as they
// are where receivers use the same registry.
func TestScrapesAreGuarded(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	cfg := DefaultConfig()
	cfg.Address = "127.0.0.1:0"
	cfg.TLS = listen.TLS{CertFile: listen.File(cert), KeyFile: listen.File(key)}
	cfg.Auth.Bearer = listen.Tokens{"t0ken"}
	reg := prometheus.NewRegistry()
	if _, err := listen.NewMeters(reg); err != nil {
		t.Fatal(err)
	}
	j := memory.New(memory.Config{})
	d, err := Start(t.Context(), cfg, j, reg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer shutdown(t, d)
	add(t, j, "op")
	waitCounted(t, j)
	transport := &http.Transport{TLSClientConfig: authority.Client(t, "", ""), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	for authorization, want := range map[string]int{"": 401, "Bearer wr0ng": 401, "Bearer t0ken": 200} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+d.Addr().String()+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", authorization)
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		told := strings.Contains(string(body), `span_name="op"`)
		if err != nil || response.StatusCode != want || told != (want == 200) || response.ProtoMajor != 2 || response.TLS.Version < tls.VersionTLS12 {
			t.Errorf("%q: %s %s %s %v", authorization, response.Status, response.Proto, body, err)
		}
	}
	err = testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP waybill_listener_denied_requests_total Requests that a listener did not let in, by why.
# TYPE waybill_listener_denied_requests_total counter
waybill_listener_denied_requests_total{listener="derive",reason="no_token"} 1
waybill_listener_denied_requests_total{listener="derive",reason="wrong_token"} 1
`), "waybill_listener_denied_requests_total")
	if err != nil {
		t.Error(err)
	}
}

// TestAListenerThatCannotStart leaves nothing open, and names its key.
func TestAListenerThatCannotStart(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for want, change := range map[string]func(*Config){
		"derive.address: " + taken.Addr().String() + ": bind": func(c *Config) { c.Address = taken.Addr().String() },
		"derive.auth.bearer_file: open /nowhere":              func(c *Config) { c.Auth.BearerFile = "/nowhere" },
	} {
		cfg := DefaultConfig()
		cfg.Address = "127.0.0.1:0"
		change(&cfg)
		j := memory.New(memory.Config{})
		_, err := Start(t.Context(), cfg, j, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
		shutdown(t, startDeriver(t, j)) // The reader is free.
	}
}
