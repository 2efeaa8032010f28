package export

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal"
)

func TestValidate(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		want   string // how the error begins; "" is none
	}{
		"default":        {func(*Config) {}, ""},
		"nothing at all": {func(c *Config) { *c = Config{} }, ""},
		"http":           {func(c *Config) { c.Traces[0].Endpoint = "http://jaeger:4318" }, ""},
		"no scheme":      {func(c *Config) { c.Logs[0].Endpoint = "loki:3100" }, "logs.endpoint: want http://"},
		"query":          {func(c *Config) { c.Logs[0].Endpoint = "http://loki/?a=b" }, "logs.endpoint: a path is added"},
		"grpc":           {func(c *Config) { c.Traces[0].Endpoint, c.Traces[0].Protocol = "jaeger:4317", GRPC }, ""},
		"grpc, address":  {func(c *Config) { c.Traces[0].Endpoint, c.Traces[0].Protocol = "[::1]:4317", GRPC }, ""},
		"grpc, URL":      {func(c *Config) { c.Traces[0].Endpoint, c.Traces[0].Protocol = "https://jaeger/", GRPC }, ""},
		"grpc, no port":  {func(c *Config) { c.Traces[0].Endpoint, c.Traces[0].Protocol = "jaeger", GRPC }, "traces.endpoint: want host:port"},
		"grpc, path":     {func(c *Config) { c.Traces[0].Endpoint, c.Traces[0].Protocol = "http://jaeger:4317/x", GRPC }, "traces.endpoint: gRPC has no path"},
		"grpc, user":     {func(c *Config) { c.Traces[0].Endpoint, c.Traces[0].Protocol = "me@jaeger:4317", GRPC }, "traces.endpoint: want host:port"},
		"grpc, its headers": {func(c *Config) {
			c.Traces[0].Headers, c.Traces[0].Protocol = map[string]Secret{"Grpc-Timeout": "1S"}, GRPC
		}, `traces.headers: "Grpc-Timeout"`},
		"grpc, header":       {func(c *Config) { c.Traces[0].Headers, c.Traces[0].Protocol = map[string]Secret{"a": "ü"}, GRPC }, `traces.headers: "a"`},
		"header":             {func(c *Config) { c.Traces[0].Headers = map[string]Secret{"a": "ü"} }, ""},
		"protocol":           {func(c *Config) { c.Traces[0].Protocol = "thrift" }, `traces.protocol: "thrift": want http or grpc`},
		"name":               {func(c *Config) { c.Traces[0].Name = "../x" }, `traces.name: "../x": want`},
		"no name":            {func(c *Config) { c.Traces[0].Name = "" }, `traces.name: ""`},
		"timeout":            {func(c *Config) { c.Traces[0].Timeout = 0 }, "traces.timeout: 0s"},
		"batch":              {func(c *Config) { c.Traces[0].MaxBatchBytes = -1 }, "traces.max_batch_bytes: -1"},
		"half a certificate": {func(c *Config) { c.Traces[0].TLS.CertFile = "x" }, "traces.tls.cert_file: it wants a key_file"},
		"the other half":     {func(c *Config) { c.Traces[0].TLS.KeyFile = "x" }, "traces.tls.key_file: it wants a cert_file"},
		"TLS without it":     {func(c *Config) { c.Traces[0].Endpoint, c.Traces[0].TLS.CAFile = "http://x", "x" }, "traces.endpoint: tls is set"},
		"twice":              {func(c *Config) { c.Traces = append(c.Traces, c.Traces[0]) }, `traces[1].name: "default" is there twice`},
		"the second's": {func(c *Config) {
			c.Traces = append(c.Traces, Destination{Name: "b", Protocol: HTTP, Timeout: 1, Compression: "lzw"})
		}, "traces[1].compression: "},
		"dead letters":    {func(c *Config) { c.DeadLetters.MaxBytes = 1000 }, "dead_letters.max_bytes: 1000"},
		"no dead letters": {func(c *Config) { c.DeadLetters.MaxBytes = 0 }, ""},
	} {
		cfg := DefaultConfig()
		test.change(&cfg)
		err := cfg.Validate()
		if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestHost(t *testing.T) {
	for endpoint, want := range map[string]string{
		"jaeger:4317": "jaeger:4317", "http://jaeger:4317": "jaeger:4317", "https://jaeger": "jaeger:443",
		"HTTPS://jaeger/": "jaeger:443", "http://[::1]": "[::1]:80", "127.0.0.1:4317": "127.0.0.1:4317",
	} {
		if got := (Destination{Endpoint: endpoint}).host(); got != want {
			t.Errorf("host of %s is %s, want %s", endpoint, got, want)
		}
	}
}

// also adds a destination of traces.
func (r *rig) also(name string, protocol Protocol, backend *exporttest.Backend) {
	d := DefaultDestination()
	d.Name, d.Protocol, d.Endpoint, d.Compression = name, protocol, backend.URL(), NoCompression
	r.cfg.Traces = append(r.cfg.Traces, d)
}

// TestADestinationThatHangs has three of them, restarts, and finds each where
// it was.
func TestADestinationThatHangs(t *testing.T) {
	r := newRig(t)
	hanging, third := exporttest.NewGRPC(t), exporttest.New(t)
	r.also("hanging", GRPC, hanging)
	r.also("third", HTTP, third)
	release, asked := make(chan struct{}), make(chan struct{}, 100)
	hanging.Decide(func(exporttest.Request) exporttest.Answer {
		asked <- struct{}{}
		<-release
		return exporttest.Answer{HangUp: true}
	})
	r.append("a")
	r.start()
	<-asked
	r.append("b")
	r.waitFor("a", "b")
	r.waitCommitted()
	r.waitCursor("export-traces-third")
	if got := r.journal.Stats().Cursors["export-traces-hanging"]; got != 0 {
		t.Errorf("the cursor of what was not delivered is at %d", got)
	}
	if lag := r.metric("lag_seconds", "destination", "hanging"); lag <= 0 {
		t.Errorf("lag of who hangs is %v", lag)
	}
	if lag := r.metric("lag_seconds", "destination", "third"); lag != 0 {
		t.Errorf("lag of who is done is %v", lag)
	}
	close(release)
	r.stop()

	r.append("c")
	hanging.Up()
	r.start()
	r.waitFor("a", "b", "c")
	hanging.Wait(t, "what it has missed", func() bool { return len(hanging.Spans(t)) == 3 })
	third.Wait(t, "the last one", func() bool { return len(third.Spans(t)) == 3 })
	r.waitCursor("export-traces-hanging")
}

func TestStatus(t *testing.T) {
	r := newRig(t)
	r.backend.Down()
	began := time.Now()
	r.append("a")
	r.start()
	r.eventually("it fails", func() bool { return !r.running.Status()[0].FailingSince.IsZero() })
	got := r.running.Status()[0]
	if got.LastError == "" || got.LastErrorAt.Before(began) || got.FailingSince.Before(began) || got.Oldest.Before(began) {
		t.Errorf("while it is down: %+v", got)
	}
	if failing, lag := r.metric("failing_seconds"), r.metric("lag_seconds"); failing <= 0 || lag < failing {
		t.Errorf("failing for %v, behind for %v", failing, lag)
	}
	r.backend.Up()
	r.waitCommitted()
	got = r.running.Status()[0]
	want := Status{Signal: journal.Traces, Destination: "default", Reader: "export-traces", LastError: got.LastError, LastErrorAt: got.LastErrorAt}
	if diff := cmp.Diff(want, got); diff != "" || got.LastError == "" {
		t.Errorf("when it is back: %+v", got)
	}
	if failing, lag := r.metric("failing_seconds"), r.metric("lag_seconds"); failing != 0 || lag != 0 {
		t.Errorf("failing for %v, behind for %v", failing, lag)
	}
}

// TestStatusTellsNoSecrets has a key in each place of an endpoint that takes one.
func TestStatusTellsNoSecrets(t *testing.T) {
	for _, user := range []string{"s3cret", "s3cret:", "s3cret:s3cret", "joe:s3cret"} {
		r := newRig(t)
		r.cfg.Traces[0].Endpoint = "http://" + user + "@127.0.0.1:1/otlp"
		r.append("a")
		r.start()
		r.eventually("it fails", func() bool { return r.running.Status()[0].LastError != "" })
		got := r.running.Status()[0].LastError
		if !strings.Contains(got, "127.0.0.1:1/otlp/v1/traces") || strings.Contains(got+r.log.String(), "s3cret") {
			t.Errorf("%s: %s\n%s", user, got, r.log)
		}
		r.stop()
	}
}

func TestSpread(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 100 {
		wait := spread(time.Second)
		if wait < time.Second || wait > 1100*time.Millisecond {
			t.Fatalf("asked for 1 s, waits for %v", wait)
		}
		seen[wait] = true
	}
	if len(seen) < 90 {
		t.Errorf("only %d different waits of 100", len(seen))
	}
}
