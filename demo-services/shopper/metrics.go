package shopper

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// outcome is how a visit has ended.
type outcome string

const (
	looked    outcome = "looked" // without an order
	confirmed outcome = "confirmed"
	refused   outcome = "refused"
	failed    outcome = "failed"
	missed    outcome = "missed"
)

// tally counts visits. Safe for concurrent use.
type tally struct {
	counts map[outcome]*atomic.Int64
	inside atomic.Int64
	visits *prometheus.CounterVec
}

func newTally() *tally {
	t := &tally{
		counts: map[outcome]*atomic.Int64{},
		visits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_visits_total", Help: "Visitors of the shop by what became of their visit.",
		}, []string{"outcome"}),
	}
	for _, o := range []outcome{looked, confirmed, refused, failed, missed} {
		t.counts[o] = &atomic.Int64{}
		t.visits.WithLabelValues(string(o)) // A series that is there from the start has a rate.
	}
	return t
}

func (t *tally) add(o outcome) {
	t.counts[o].Add(1)
	t.visits.WithLabelValues(string(o)).Inc()
}

func (t *tally) report() Report {
	n := func(o outcome) int64 { return t.counts[o].Load() }
	return Report{Looked: n(looked), Confirmed: n(confirmed), Refused: n(refused), Failed: n(failed), Missed: n(missed)}
}

// register has the visits counted, and shows how many visitors are inside and
// how many orders a second are due now: the wave of the day.
func (t *tally) register(registerer prometheus.Registerer, due Pacer, start time.Time) error {
	inside := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "shop_visitors", Help: "Visitors who are in the shop now.",
	}, func() float64 { return float64(t.inside.Load()) })
	wave := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "shop_orders_due_per_second", Help: "Orders that the time of the day brings, whatever the shop makes of them.",
	}, func() float64 { return rate(due, time.Since(start)) })
	if err := errors.Join(registerer.Register(t.visits), registerer.Register(inside), registerer.Register(wave)); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	return nil
}
