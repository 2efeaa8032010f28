package collector

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/derive"
	"github.com/waybill-dev/waybill/collector/export"
	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/redact"
)

func reload(c *Collector, cfg Config) ([]string, error) {
	return c.Reload(func() (Config, error) { return cfg, nil })
}

// reloads is what the collector counts of them.
func reloads(t *testing.T, c *Collector, outcome string) string {
	t.Helper()
	_, text := get(t, "http://"+c.Admin().String()+"/metrics")
	_, after, _ := strings.Cut(text, fmt.Sprintf("waybill_config_reloads_total{outcome=%q} ", outcome))
	count, _, _ := strings.Cut(after, "\n")
	return count
}

// TestReload changes all that can be changed while spans come in, and keeps
// listeners and cursors.
func TestReload(t *testing.T) {
	first, second := exporttest.New(t), exporttest.New(t)
	cfg := testConfig(t.TempDir())
	cfg.Export.Traces[0].Endpoint = first.URL()
	c := run(t, cfg)
	listener := c.OTLPHTTP().String()
	mustPost(t, c, "traces", spanRequest(1, "before 4111111111111111", tracepb.Status_STATUS_CODE_OK))
	first.Wait(t, "the span", func() bool { return len(first.Spans(t)) == 1 })

	changed := cfg
	changed.Redact.Enabled = true
	changed.Derive.ExpireAfter = time.Hour
	changed.Derive.Exclude = []derive.Rule{{SpanName: "ping"}}
	another := export.DefaultDestination()
	another.Name, another.Endpoint = "second", second.URL()
	changed.Export.Traces = export.Destinations{cfg.Export.Traces[0], another}
	changed.Admin.StallAfter, changed.Admin.LogLevel = time.Hour, slog.LevelDebug
	got, err := reload(c, changed)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"admin.log_level", "admin.stall_after", "derive.exclude", "derive.expire_after", "export.traces", "redact.enabled"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if c.OTLPHTTP().String() != listener {
		t.Error("the listener has moved")
	}
	mustPost(t, c, "traces", spanRequest(2, "after 4111111111111111", tracepb.Status_STATUS_CODE_OK))
	mustPost(t, c, "traces", spanRequest(3, "ping", tracepb.Status_STATUS_CODE_OK))
	first.Wait(t, "the spans, once", func() bool { return len(first.Spans(t)) == 3 })
	second.Wait(t, "all that is held", func() bool { return len(second.Spans(t)) == 3 })
	if name := second.Spans(t)[1].GetName(); name != "after REDACTED" {
		t.Errorf("it was kept as %q", name)
	}
	eventually(t, "the spans to count", func() bool {
		_, text := get(t, "http://"+c.Scrape().String()+"/metrics")
		return strings.Contains(text, `span_name="after REDACTED"`)
	})
	if _, text := get(t, "http://"+c.Scrape().String()+"/metrics"); strings.Contains(text, `span_name="ping"`) {
		t.Error("what is excluded has counted")
	}

	if got, err := reload(c, changed); err != nil || got != nil {
		t.Errorf("the same again: %v, %v", got, err)
	}
	if _, err := reload(c, cfg); err != nil {
		t.Errorf("back again: %v", err)
	}
	if _, held := c.Journal().Stats().Cursors["export-traces-second"]; held {
		t.Error("a destination that is gone holds its place")
	}
	if applied, unchanged := reloads(t, c, "applied"), reloads(t, c, "unchanged"); applied != "2" || unchanged != "1" {
		t.Errorf("applied %s, unchanged %s", applied, unchanged)
	}
}

// TestReloadRefusesWhole has something in each configuration that could be
// taken, beside something that cannot.
func TestReloadRefusesWhole(t *testing.T) {
	backend := exporttest.New(t)
	cfg := testConfig(t.TempDir())
	cfg.Export.Traces[0].Endpoint = backend.URL()
	c := run(t, cfg)
	broken := errors.New("collector.yaml:3: no such thing")
	for i, test := range []struct {
		change func(*Config)
		load   error
		want   string
	}{
		{func(cfg *Config) { cfg.Receive.OTLP.GRPC.Address, cfg.Journal.Dir = "127.0.0.1:4317", "elsewhere" }, nil, "it needs a restart: journal.dir, receive.otlp.grpc.address"},
		{func(cfg *Config) { cfg.Derive.Names = derive.NamesGrafana }, nil, "it needs a restart: derive.names"},
		{func(cfg *Config) { cfg.Admin.Address = "off" }, nil, "it needs a restart: admin.address"},
		{func(cfg *Config) { cfg.Redact.Rules = []redact.Rule{{}} }, nil, "rules[0].key"},
		{func(cfg *Config) {
			d := cfg.Export.Traces[0]
			d.Endpoint, d.TLS.CAFile = "https://127.0.0.1:1", "/nowhere"
			cfg.Export.Traces = export.Destinations{d}
		}, nil, "/nowhere"},
		{func(*Config) {}, broken, broken.Error()},
	} {
		next := cfg
		next.Redact.Enabled = true
		test.change(&next)
		_, err := c.Reload(func() (Config, error) { return next, test.load })
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v; want %q", err, test.want)
		}
		if _, page := get(t, "http://"+c.Admin().String()+"/"); !strings.Contains(page, "configuration</td>") {
			t.Error("the status page does not tell")
		}
		name := fmt.Sprintf("%d 4111111111111111", i)
		mustPost(t, c, "traces", spanRequest(i+1, name, tracepb.Status_STATUS_CODE_OK))
		backend.Wait(t, "the span", func() bool { return len(backend.Spans(t)) == i+1 })
		if got := backend.Spans(t)[i].GetName(); got != name {
			t.Errorf("after %v it was redacted: %q", err, got)
		}
	}
	if got := reloads(t, c, "refused"); got != "6" {
		t.Errorf("%s were refused", got)
	}
	if _, err := reload(c, cfg); err != nil {
		t.Error(err)
	}
	if _, page := get(t, "http://"+c.Admin().String()+"/"); strings.Contains(page, "configuration</td>") {
		t.Error("the status page still tells of what is no longer so")
	}
}

// TestReloadThatFailsLeavesNoCursor has one of two new destinations get no
// cursor: the other's, which nobody would ever move, must not fill the journal.
func TestReloadThatFailsLeavesNoCursor(t *testing.T) {
	backend := exporttest.New(t)
	cfg := testConfig(t.TempDir())
	c := run(t, cfg)
	if err := os.Mkdir(filepath.Join(cfg.Journal.Dir, "cursors", "export-traces-second"), 0o750); err != nil {
		t.Fatal(err)
	}
	next := cfg
	first, second := export.DefaultDestination(), export.DefaultDestination()
	first.Name, first.Endpoint, second.Name, second.Endpoint = "first", backend.URL(), "second", backend.URL()
	next.Export.Traces = export.Destinations{first, second}
	if _, err := reload(c, next); err == nil {
		t.Error("a destination without a cursor was taken")
	}
	if _, left := c.Journal().Stats().Cursors["export-traces-first"]; left {
		t.Error("the cursor of a destination that there is not was left behind")
	}
}

func TestReloadAfterShutdown(t *testing.T) {
	cfg := testConfig(t.TempDir())
	c, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := reload(c, cfg); err == nil {
		t.Error("a stopped collector was reloaded")
	}
}

// TestLiveKeysExist finds a key that was renamed, and is live no more.
func TestLiveKeysExist(t *testing.T) {
	for _, key := range live() {
		section, rest, _ := strings.Cut(key, ".")
		text := section + ": {" + strings.ReplaceAll(rest, ".", ": {") + ": {no.key: 1}" + strings.Repeat("}", strings.Count(rest, ".")+1)
		if rest == "" {
			text = section + ": {}"
		}
		_, err := Load(write(t, text), testEnv, nil)
		if err != nil && strings.Contains(err.Error(), key+": unknown key") || rest != "" && err == nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}
