package export

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
)

// absent is a backend that is away for some time.
type absent struct {
	back  time.Time
	away  answer // what it answers until then
	asked []time.Time
}

func (a *absent) load([]journal.Record) error { return nil }

func (a *absent) send(context.Context) answer {
	a.asked = append(a.asked, time.Now())
	if time.Now().Before(a.back) {
		return a.away
	}
	return answer{verdict: accepted}
}

func (a *absent) release() {}

func (a *absent) close() {}

// persistThrough sends one record to a backend that is away for ten minutes,
// with the patience that it has outside of tests.
func persistThrough(t *testing.T, away answer) *absent {
	t.Helper()
	backend := &absent{back: time.Now().Add(10 * time.Minute), away: away}
	m, err := newMeters(prometheus.NewRegistry(), func() []Status { return nil })
	if err != nil {
		t.Fatal(err)
	}
	f := &forwarder{
		client: backend, patience: defaultPatience(), meters: m.of(journal.Traces, "x"), notices: notices{logger: slog.New(slog.DiscardHandler)},
	}
	a, err := f.persist(t.Context(), t.Context(), []journal.Record{{Signal: journal.Traces, Items: 1}}, 0)
	if err != nil || a.verdict != accepted {
		t.Fatalf("%+v, %v", a, err)
	}
	return backend
}

func TestWhoIsBackIsSoonFound(t *testing.T) {
	for name, test := range map[string]struct {
		away   answer
		within time.Duration
		atMost int // attempts
	}{
		"nobody answers":       {answer{silent: true}, 1500 * time.Millisecond, 800},
		"it cannot now":        {answer{}, 7500 * time.Millisecond, 200},
		"it asks for a minute": {answer{wait: time.Minute}, 66 * time.Second, 11},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				backend := persistThrough(t, test.away)
				if took := time.Since(backend.back); took > test.within {
					t.Errorf("found %v after it was back", took)
				}
				if len(backend.asked) > test.atMost {
					t.Errorf("%d attempts in ten minutes", len(backend.asked))
				}
				if first := backend.asked[1].Sub(backend.asked[0]); first > 375*time.Millisecond && test.away.wait == 0 {
					t.Errorf("the second attempt was made after %v", first)
				}
			})
		})
	}
}

// TestDestinationsKeepNoStep has two destinations that lost the same backend at
// the same moment.
func TestDestinationsKeepNoStep(t *testing.T) {
	for _, away := range []answer{{silent: true}, {}, {wait: time.Second}} {
		var asked [2][]time.Time
		for i := range asked {
			synctest.Test(t, func(t *testing.T) { asked[i] = persistThrough(t, away).asked })
		}
		same := 0
		for _, at := range asked[0][1:] {
			if slices.ContainsFunc(asked[1], at.Equal) {
				same++
			}
		}
		if same > 1 {
			t.Errorf("%+v: %d of %d attempts at the same time", away, same, len(asked[0]))
		}
	}
}
