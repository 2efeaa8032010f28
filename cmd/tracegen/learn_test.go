package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/file"
	"github.com/waybill-dev/waybill/tracegen/recording"
)

const shopFixture = "../../tracegen/learn/testdata/shop.otlp.zst"

// Recorded traces go all ways: into a journal, from there into a file, from
// there into a topology, which is checked and sent; and they are sent again.
func TestLearnAndReplay(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	fill(t, at("journal"))
	status, _, errs := command(t, "record", "--limit", "200", "--out", at("traces.otlp"), at("journal"))
	if status != 0 || !strings.Contains(errs, "200 traces") || !strings.Contains(errs, "are left out") {
		t.Fatalf("record: %d\n%s", status, errs)
	}
	status, out, errs := command(t, "learn", "--name", "orders", "--out", at("orders.yaml"), at("traces.otlp"))
	if status != 0 || out != "" || !strings.Contains(errs, "200 traces of") {
		t.Fatalf("learn: %d\n%s%s", status, out, errs)
	}
	if status, out, errs = command(t, "topology", "check", at("orders.yaml")); status != 0 || !strings.Contains(out, "gateway: POST /api/v1/orders (server)") {
		t.Errorf("check: %d\n%s%s", status, out, errs)
	}
	url, stop := startSink(t)
	if status, out, errs = command(t, "--topology", at("orders.yaml"), "--endpoint", url, "--rate", "0", "--traces", "100", "--verify", url, "--quiet"); status != 0 {
		t.Errorf("run: %d\n%s%s", status, out, errs)
	}
	status, out, errs = command(t, "replay", "--endpoint", url, "--speed", "0", "--copies", "2", "--report", at("report.json"), "--html", at("report.html"),
		"--verify", url, "--quiet", at("traces.otlp"))
	if status != 0 || !strings.Contains(out, "400 traces asked for") || !strings.Contains(out, "400 whole") {
		t.Errorf("replay: %d\n%s%s", status, out, errs)
	}
	if status, out, errs = command(t, "verify", "--report", at("report.json"), "--sink", url, at("traces.otlp")); status != 0 || !strings.Contains(out, "400 whole") {
		t.Errorf("verify: %d\n%s%s", status, out, errs)
	}
	if last := stop(); !strings.Contains(last, "500 traces") {
		t.Errorf("the sink says %s", last)
	}
	if page, err := os.ReadFile(at("report.html")); err != nil || !strings.Contains(string(page), "400 whole") {
		t.Errorf("page: %v\n%s", err, page)
	}
}

// fill makes a journal as a collector leaves it.
func fill(t *testing.T, dir string) {
	t.Helper()
	r := recording.New(0)
	if err := r.AddFile(shopFixture); err != nil {
		t.Fatal(err)
	}
	cfg := file.DefaultConfig()
	cfg.Dir, cfg.Sync = dir, file.SyncNever
	j, err := file.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for i, trace := range r.Traces() {
		one := recording.New(0)
		one.Adopt(trace)
		payload, err := one.Encode()
		if err != nil {
			t.Fatal(err)
		}
		signal := journal.Traces
		if i == 3 {
			signal, payload = journal.Logs, []byte{} // It is passed over.
		}
		if _, err := j.Append(t.Context(), signal, uint32(len(trace.Spans)), payload); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestBadSources(t *testing.T) {
	dir, replayed := t.TempDir(), filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(replayed, []byte(`{"format":"waybill tracegen report 1","recorded":5,"copies":1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(made, []byte(`{"format":"waybill tracegen report 1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		says string
	}{
		{[]string{"learn"}, "where are the traces?"},
		{[]string{"learn", "/nowhere"}, "/nowhere"},
		{[]string{"learn", dir}, "is no journal"},
		{[]string{"learn", "http://127.0.0.1:1"}, "refused"},
		{[]string{"learn", "--kinds", "0", shopFixture}, "want 1 at least"},
		{[]string{"record", shopFixture}, "--out"},
		{[]string{"replay", "--speed", "-1", shopFixture}, "speed"},
		{[]string{"replay", "--speed", "2", "--rate", "5", shopFixture}, "but not both"},
		{[]string{"verify", "--report", replayed}, "whose source stands behind"},
		{[]string{"verify", "--report", replayed, shopFixture}, "the one that was sent has 5"},
		{[]string{"verify", "--report", made, shopFixture}, "is no flag"},
	} {
		if status, _, errs := command(t, test.args...); status != 2 || !strings.Contains(errs, test.says) {
			t.Errorf("%v: exit status %d\n%s", test.args, status, errs)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("%v was left in a directory that is no journal, %v", entries, err)
	}
}
