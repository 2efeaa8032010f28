package fault

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func open(t *testing.T, path string) *Flags {
	t.Helper()
	f, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// on lists the faults that are on.
func on(t *testing.T, f *Flags) (keys []string) {
	t.Helper()
	f.provider.forget()
	for _, known := range All() {
		if f.On(t.Context(), known.Key) {
			keys = append(keys, known.Key)
		}
	}
	return keys
}

func TestSwitching(t *testing.T) {
	path := filepath.Join(t.TempDir(), "faults.json")
	here, there := open(t, path), open(t, path)
	if got := on(t, here); got != nil {
		t.Errorf("without a file %v are on", got)
	}
	for _, key := range []string{PSPDown, SlowDatabase} {
		if err := here.Set(key, true); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []*Flags{here, there} {
		if diff := cmp.Diff([]string{PSPDown, SlowDatabase}, on(t, f)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if err := there.Set(PSPDown, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{SlowDatabase}, on(t, here)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := here.Set("no-such-fault", true); !errors.Is(err, ErrUnknown) {
		t.Errorf("an unknown fault: %v", err)
	}
	if (*Flags)(nil).On(t.Context(), PSPDown) {
		t.Error("without flags a fault is on")
	}
}

// TestChangesAreSeenSoon: who does not know of a change looks at the file, but
// not for every question.
func TestChangesAreSeenSoon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "faults.json")
	f := open(t, path)
	now := time.Now()
	f.provider.now = func() time.Time { return now }
	if f.On(t.Context(), StockGone) {
		t.Error("a fault is on")
	}
	if err := set(path, StockGone, true); err != nil {
		t.Fatal(err)
	}
	if f.On(t.Context(), StockGone) {
		t.Error("the file was looked at again at once")
	}
	now = now.Add(lookEvery)
	if !f.On(t.Context(), StockGone) {
		t.Error("the change is not seen")
	}
}

// TestFlagdsFile reads what one writes for flagd, and leaves alone what is not
// the shop's.
func TestFlagdsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "faults.json")
	const file = `{
  "$schema": "https://flagd.dev/schema/v0/flags.json",
  "metadata": {"team": "shop"},
  "flags": {
    "psp-slow": {"state": "ENABLED", "variants": {"always": true, "never": false}, "defaultVariant": "always"},
    "psp-down": {"state": "DISABLED", "variants": {"on": true, "off": false}, "defaultVariant": "on"},
    "banner": {"state": "ENABLED", "variants": {"red": "#f00"}, "defaultVariant": "red"}
  }
}`
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	if diff := cmp.Diff([]string{PSPSlow}, on(t, f)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := f.Set(PSPDown, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{PSPSlow, PSPDown}, on(t, f)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(content, &got); err != nil {
		t.Fatal(err)
	}
	flags, _ := got["flags"].(map[string]any)
	if got["metadata"] == nil || got["$schema"] == nil || flags["banner"] == nil {
		t.Errorf("something is lost:\n%s", content)
	}
}

// TestFilesOfNoUse: what can't be read changes nothing, and says where it is
// wrong.
func TestFilesOfNoUse(t *testing.T) {
	for name, c := range map[string]struct{ file, why string }{
		"no JSON":     {`{`, "unexpected end"},
		"state":       {`{"flags":{"psp-slow":{"state":"on","variants":{"on":true},"defaultVariant":"on"}}}`, `psp-slow: state "on"`},
		"no variant":  {`{"flags":{"psp-slow":{"state":"ENABLED","variants":{"on":true},"defaultVariant":"off"}}}`, `psp-slow: defaultVariant "off"`},
		"other types": {`{"flags":{"psp-slow":{"state":"ENABLED","variants":{"on":"yes"},"defaultVariant":"on"}}}`, "psp-slow: json"},
		"targeting":   {`{"flags":{"psp-slow":{"state":"ENABLED","variants":{"on":true},"defaultVariant":"on","targeting":{"if":[]}}}}`, "psp-slow: targeting"},
	} {
		if _, err := parse([]byte(c.file)); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", name, err)
		}
		path := filepath.Join(t.TempDir(), "faults.json")
		f := open(t, path)
		if err := f.Set(PSPSlow, true); err != nil {
			t.Fatal(err)
		}
		on(t, f)
		if err := os.WriteFile(path, []byte(c.file), 0o600); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{PSPSlow}, on(t, f)); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
	}
}

func TestTheSpanTells(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))
	f := open(t, filepath.Join(t.TempDir(), "faults.json"))
	if err := f.Set(PSPSlow, true); err != nil {
		t.Fatal(err)
	}
	ctx, span := provider.Tracer("").Start(t.Context(), "POST /charges")
	f.On(ctx, PSPDown)
	f.On(ctx, PSPSlow)
	span.End()
	events := recorder.Ended()[0].Events()
	if len(events) != 1 || events[0].Name != "feature_flag.evaluation" || events[0].Attributes[0].Value.AsString() != PSPSlow {
		t.Errorf("events are %+v", events)
	}
}
