package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/waybill-dev/waybill/collector"
	"github.com/waybill-dev/waybill/internal/command"
	"github.com/waybill-dev/waybill/tracegen"
)

const policies = `
  tail:
    policies:
      - {name: errors, type: error}
      - {name: few, type: probability, percent: 1}
`

// trySampling runs the command.
func trySampling(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var stdout bytes.Buffer
	p := newProgram(&stdout, io.Discard, noEnv)
	if err := p.ParseFlags(append([]string{"sample"}, args...)); err != nil {
		t.Fatal(err)
	}
	err := p.Run(t.Context())
	return stdout.String(), err
}

// TestSample fills a journal, and replays it twice: with the same outcome,
// since it changes nothing.
func TestSample(t *testing.T) {
	path := config(t, "sample:"+policies)
	cfg, err := collector.Load(path, noEnv, nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Journal.Retain = true
	c, err := collector.Start(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	load := tracegen.DefaultConfig()
	load.Endpoint, load.Rate, load.Duration, load.Traces = "http://"+c.OTLPHTTP().String(), 0, 0, 200
	report, err := tracegen.Run(t.Context(), load, nil)
	if err != nil || report.Acknowledged.Traces != 200 {
		t.Fatalf("%+v, %v", report, err)
	}
	if _, err := trySampling(t, "--config", path); err == nil {
		t.Error("the journal of a running collector was replayed")
	}
	before := c.Journal().Stats()
	if err := c.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	first, err := trySampling(t, "--config", path)
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^\d+ of 200 traces are kept`).MatchString(first) ||
		!regexp.MustCompile(`(?m)^service +received +kept +errors +few$`).MatchString(first) ||
		!regexp.MustCompile(`(?m)^gateway +\d+ spans \d+ bytes \(100\.0%\) `).MatchString(first) {
		t.Errorf("printed:\n%s", first)
	}
	second, err := trySampling(t, "--config", path, "--journal", filepath.Join(filepath.Dir(path), "journal"))
	if err != nil || second != first {
		t.Errorf("the second time, %v:\n%s", err, second)
	}
	if c, err = collector.Start(t.Context(), cfg, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if after := c.Journal().Stats(); after.End != before.End || after.Oldest != before.Oldest {
		t.Errorf("the journal was from %d to %d, and is from %d to %d", before.Oldest, before.End, after.Oldest, after.End)
	}
	if err := c.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSampleRefuses(t *testing.T) {
	if _, err := trySampling(t, "--config", config(t, "")); !errors.Is(err, command.ErrConfiguration) {
		t.Errorf("without policies: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := trySampling(t, "--config", config(t, "sample:"+policies), "--journal", missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a journal: %v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("a journal was made")
	}
	if err := newProgram(io.Discard, io.Discard, noEnv).ParseFlags([]string{"--journal", "x"}); err == nil {
		t.Error("--journal was taken without the command sample")
	}
}
