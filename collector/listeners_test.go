package collector

import (
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/listen/listentest"
)

func TestListeners(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	cfg := testConfig(t.TempDir())
	cfg.Receive.OTLP.GRPC.TLS = listen.TLS{CertFile: listen.File(cert), KeyFile: listen.File(key)}
	cfg.Derive.TLS = cfg.Receive.OTLP.GRPC.TLS
	cfg.Derive.Auth.Bearer, cfg.Admin.Auth.Bearer = listen.Tokens{"t0ken"}, listen.Tokens{"t0ken"}
	c := run(t, cfg)
	on := map[string]string{}
	for _, l := range c.Listeners() {
		if l.Addr != nil {
			on[l.Key] = l.Security
		}
	}
	want := map[string]string{"receive.otlp.grpc": "TLS", "receive.otlp.http": "", "derive": "TLS, token", "admin": "token"}
	if len(on) != len(want) {
		t.Errorf("listeners are %v, want %v", on, want)
	}
	for key, security := range want {
		if got, ok := on[key]; !ok || got != security {
			t.Errorf("%s wants %q, %v", key, got, ok)
		}
	}
}

// TestOpenListenersAreTold starts on all addresses, and with what protects them.
func TestOpenListenersAreTold(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Receive.OTLP.GRPC.Address, cfg.Receive.OTLP.HTTP.Address = "0.0.0.0:0", "0.0.0.0:0"
	cfg.Receive.OTLP.HTTP.Auth.Bearer = listen.Tokens{"t0ken"}
	var logged strings.Builder
	c, err := Start(t.Context(), cfg, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	text := logged.String()
	if !strings.Contains(text, "level=WARN") || !strings.Contains(text, "receive.otlp.grpc") || strings.Contains(text, "receive.otlp.http") || strings.Contains(text, "admin") {
		t.Errorf("logged:\n%s", text)
	}
	if strings.Contains(text, "t0ken") {
		t.Error("the log has the token")
	}
}

// TestTakenPorts has each listener's taken by somebody else.
func TestTakenPorts(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	at := taken.Addr().String()
	for key, change := range map[string]func(*Config){
		"receive.otlp.grpc.address":          func(cfg *Config) { cfg.Receive.OTLP.GRPC.Address = at },
		"receive.otlp.http.address":          func(cfg *Config) { cfg.Receive.OTLP.HTTP.Address = at },
		"receive.jaeger.thrift_http.address": func(cfg *Config) { cfg.Receive.Jaeger.ThriftHTTP.Address = at },
		"receive.jaeger.sampling.address":    func(cfg *Config) { cfg.Receive.Jaeger.Sampling.Address = at },
		"receive.zipkin.address":             func(cfg *Config) { cfg.Receive.Zipkin.Address = at },
		"derive.address":                     func(cfg *Config) { cfg.Derive.Address = at },
		"admin.address":                      func(cfg *Config) { cfg.Admin.Address = at },
	} {
		cfg := testConfig(t.TempDir())
		change(&cfg)
		c, err := Start(t.Context(), cfg, nopLogger())
		if err == nil {
			_ = c.Shutdown(t.Context())
		}
		if want := key + ": " + at + ": bind: address already in use ("; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestReadinessWithSampling has a destination of traces that is down, whose
// place is in another journal while traces are sampled.
func TestReadinessWithSampling(t *testing.T) {
	backend := exporttest.New(t)
	backend.Down()
	cfg := testConfig(t.TempDir())
	cfg.Export.Traces[0].Endpoint = backend.URL()
	cfg.Sample.Tail = errorsOnly()
	cfg.Admin.StallAfter = 200 * time.Millisecond
	c := run(t, cfg)
	mustPost(t, c, "traces", spanRequest(1, "op", tracepb.Status_STATUS_CODE_ERROR))
	eventually(t, "the destination is among the reasons", func() bool {
		status, body := get(t, "http://"+c.Admin().String()+"/readyz")
		var ready struct {
			Stuck []struct {
				Reader, Destination, Signal string
				Since                       time.Time
				LastError                   string `json:"last_error"`
			}
		}
		if err := json.Unmarshal([]byte(body), &ready); err != nil {
			t.Fatal(err)
		}
		return status == http.StatusServiceUnavailable && len(ready.Stuck) == 1 && ready.Stuck[0].Reader == "export-traces" &&
			ready.Stuck[0].Destination == "default" && ready.Stuck[0].Signal == "traces" && ready.Stuck[0].LastError != ""
	})
	if _, text := get(t, "http://"+c.Admin().String()+"/metrics"); !strings.Contains(text, `waybill_journal_reader_lag_seconds{reader="export-traces"}`) {
		t.Error("its lag is not in the metrics")
	}
	if _, page := get(t, "http://"+c.Admin().String()+"/"); !strings.Contains(page, "traces → default") {
		t.Error("it is not on the status page")
	}
	backend.Up()
	eventually(t, "it is ready again", func() bool {
		status, _ := get(t, "http://"+c.Admin().String()+"/readyz")
		return status == http.StatusOK
	})
}
