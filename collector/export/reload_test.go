package export

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
)

func (r *rig) readers() []string {
	var names []string
	for _, s := range r.running.Status() {
		names = append(names, s.Reader)
	}
	return names
}

// TestReload changes one destination, removes one, adds one, and leaves one
// alone, which is in the middle of an attempt.
func TestReload(t *testing.T) {
	r := newRig(t)
	removed, changed, added := exporttest.New(t), exporttest.New(t), exporttest.New(t)
	r.also("changed", HTTP, changed)
	r.also("removed", HTTP, removed)
	release, asked := make(chan struct{}), make(chan struct{}, 100)
	r.backend.Decide(func(exporttest.Request) exporttest.Answer {
		asked <- struct{}{}
		<-release
		return exporttest.Answer{}
	})
	changed.Down()
	r.append("a")
	r.start()
	<-asked
	removed.Wait(t, "a", func() bool { return len(removed.Spans(t)) == 1 })
	changed.Wait(t, "an attempt", func() bool { return changed.Refused() > 0 })

	successor := exporttest.NewGRPC(t)
	cfg := r.cfg
	cfg.Traces = slices.Clone(cfg.Traces)
	cfg.Traces[1].Protocol, cfg.Traces[1].Endpoint, cfg.Traces[1].Compression = GRPC, successor.URL(), NoCompression
	cfg.Traces[2].Name, cfg.Traces[2].Endpoint = "added", added.URL()
	if err := r.running.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"export-traces", "export-traces-added", "export-traces-changed"}, r.readers()); diff != "" {
		t.Error(diff)
	}
	successor.Wait(t, "what its predecessor did not take", func() bool { return len(successor.Spans(t)) == 1 })
	added.Wait(t, "what is held", func() bool { return len(added.Spans(t)) == 1 })
	close(release)
	r.waitFor("a")
	r.waitCommitted()
	if got := len(asked); got > 0 {
		t.Errorf("who was left alone was asked %d times more", got)
	}
	if families, err := r.reg.Gather(); err != nil || strings.Contains(familiesText(families), "removed") {
		t.Errorf("there are metrics of what is gone: %v", err)
	}
	r.append("b")
	r.waitFor("a", "b")
	if got := len(removed.Spans(t)); got != 1 {
		t.Errorf("who was removed has %d spans", got)
	}
}

func familiesText[T interface{ String() string }](families []T) string {
	var text strings.Builder
	for _, family := range families {
		text.WriteString(family.String())
	}
	return text.String()
}

// TestReloadOfWhatCannotBeHad changes nothing.
func TestReloadOfWhatCannotBeHad(t *testing.T) {
	r := newRig(t)
	r.start()
	for name, change := range map[string]func(*Destination){
		"not valid":    func(d *Destination) { d.Timeout = 0 },
		"without file": func(d *Destination) { d.Endpoint, d.TLS.CAFile = "https://localhost:1", "/nowhere" },
	} {
		cfg := r.cfg
		cfg.Traces = slices.Clone(cfg.Traces)
		another := DefaultDestination()
		another.Name, another.Endpoint = "another", "http://127.0.0.1:1"
		last := cfg.Traces[0]
		last.Name = "last"
		change(&last)
		cfg.Traces = Destinations{another, last}
		if err := r.running.Reload(cfg); err == nil {
			t.Errorf("%s: reloaded", name)
		}
		if diff := cmp.Diff([]string{"export-traces"}, r.readers()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if _, left := r.journal.Stats().Cursors["export-traces-another"]; left {
			t.Errorf("%s: a cursor was left behind, which would hold back the journal until it is full", name)
		}
	}
	r.append("a")
	r.waitFor("a")
}
