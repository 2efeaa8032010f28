package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// fault is something that goes wrong for a while under a paced load.
type fault struct {
	rate float64 // spans a second

	// kills is how often the subject is killed, each time at a random moment
	// of a second, and started again at once on what it has left.
	kills int
	// outage is for how long the backend is down; in the middle of that the
	// subject is killed once.
	outage time.Duration
}

// aftermath is what a fault has left.
type aftermath struct {
	tally
	judgement judgement // of a subject that samples

	restarts []time.Duration // from a start until connections were taken
	peak     int64           // bytes resident, the most of all that ran
	refused  int64           // requests, with a time to come again
	broken   int64           // requests of which nobody knows what became

	backlog int           // spans not delivered when the backend came back
	again   time.Duration // from then until a request was acknowledged
	caught  time.Duration // and until the backlog was gone, the load going on
	drained float64       // spans a second that arrived meanwhile
}

// suffer puts a subject through a fault.
func (b *bench) suffer(ctx context.Context, s subject, f fault) (a aftermath, err error) {
	st, err := b.open(ctx, s, f.rate)
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	loading, stop := context.WithCancel(ctx)
	defer stop()
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		st.load.run(loading)
	}()
	sleep(ctx, 2*time.Second)
	err = f.happen(ctx, st, &a)
	sleep(ctx, time.Second)
	stop()
	<-loaded
	if err != nil {
		return a, err
	}
	st.drain(ctx)
	if err := a.look(st); err != nil {
		return a, err
	}
	if s.tail {
		a.judgement = st.ledger.judge(b.work)
	}
	a.tally, a.refused, a.broken = st.ledger.tally(), st.load.refused.Load(), st.load.broken.Load()
	return a, ctx.Err()
}

func (f fault) happen(ctx context.Context, st *stage, a *aftermath) error {
	for range f.kills {
		sleep(ctx, 500*time.Millisecond+rand.N(time.Second)) //nolint:gosec // chance need not be secret
		if err := a.restart(ctx, st); err != nil {
			return err
		}
	}
	if f.outage == 0 {
		return ctx.Err()
	}
	st.sink.stop()
	sleep(ctx, f.outage/2)
	if err := a.restart(ctx, st); err != nil {
		return err
	}
	sleep(ctx, f.outage/2)
	return a.recover(ctx, st, f.outage)
}

// restart kills the subject and starts it again.
func (a *aftermath) restart(ctx context.Context, st *stage) error {
	if err := a.look(st); err != nil {
		return err
	}
	if err := st.process.kill(); err != nil {
		return err
	}
	if err := st.start(ctx); err != nil {
		return err
	}
	a.restarts = append(a.restarts, st.process.ready)
	return ctx.Err()
}

// look takes note of the memory of a process that will not live much longer.
func (a *aftermath) look(st *stage) error {
	peak, err := st.process.peak()
	a.peak = max(a.peak, peak)
	return err
}

// recover brings the backend back and watches what follows.
func (a *aftermath) recover(ctx context.Context, st *stage, patience time.Duration) (err error) {
	acknowledged := st.load.acknowledged.Load()
	before, _ := st.ledger.progress()
	a.backlog = int(acknowledged)*spansPerRequest - before
	began := time.Now()
	if st.sink, err = startSink(ctx, st.at.backend, st.take); err != nil {
		return err
	}
	for a.caught == 0 && time.Since(began) < 2*patience+time.Minute && ctx.Err() == nil {
		now := st.load.acknowledged.Load()
		if a.again == 0 && now > acknowledged {
			a.again = time.Since(began)
		}
		arrived, _ := st.ledger.progress()
		if int(now)*spansPerRequest-arrived <= int(st.load.rate/2) { // What half a second brings is no backlog.
			a.caught = time.Since(began)
			a.drained = float64(arrived-before) / a.caught.Seconds()
		}
		sleep(ctx, time.Millisecond)
	}
	return ctx.Err()
}

func (a aftermath) String() string {
	if a.judgement.traces > 0 {
		return fmt.Sprintf("%d spans acknowledged, %v; %d duplicates, %d requests refused, %d broken, restarts %v, peak %d MiB",
			a.acknowledged, a.judgement, a.duplicates, a.refused, a.broken, a.restarts, a.peak>>20)
	}
	return fmt.Sprintf("%d acknowledged, %d lost, %d duplicates, %d requests refused, %d broken, restarts %v, peak %d MiB, backlog %d, again after %v, caught up after %v at %.0f spans/s",
		a.acknowledged, a.lost, a.duplicates, a.refused, a.broken, a.restarts, a.peak>>20, a.backlog, a.again, a.caught, a.drained)
}

// sufferAll puts subjects through a fault one after the other, and writes a
// table: of what samplers kept, or of what came of everything.
func (b *bench) sufferAll(ctx context.Context, subjects []subject, f fault, out, progress io.Writer) error {
	head, row := []string{"lost", "backlog", "accepts again after, ms", "caught up after, s", "at spans/s"}, aftermath.forwarding
	if subjects[0].tail {
		head, row = []string{"wanted traces", "missing", "in part", "others kept (z)"}, aftermath.sampling
	}
	head = append([]string{"", "acknowledged", "duplicates", "refused requests", "restart, ms: median, most", "peak RSS, MiB"}, head...)
	var t strings.Builder
	fmt.Fprintf(&t, "\n%.0f spans a second; %d kills; backend down for %v:\n\n", f.rate, f.kills, f.outage)
	fmt.Fprintf(&t, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat(" --- |", len(head)))
	for _, s := range subjects {
		a, err := b.suffer(ctx, s, f)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(progress, "%s: %v\n", s.name, a)
		slices.Sort(a.restarts)
		cells := []string{
			s.name + ": " + s.about, thousands(float64(a.acknowledged)), thousands(float64(a.duplicates)), thousands(float64(a.refused)),
			fmt.Sprintf("%d, %d", a.restarts[len(a.restarts)/2].Milliseconds(), a.restarts[len(a.restarts)-1].Milliseconds()),
			thousands(float64(a.peak >> 20)),
		}
		fmt.Fprintf(&t, "| %s |\n", strings.Join(append(cells, row(a)...), " | "))
	}
	_, err := io.WriteString(out, t.String())
	return err
}

func (a aftermath) forwarding() []string {
	return []string{
		thousands(float64(a.lost)), thousands(float64(a.backlog)), thousands(float64(a.again.Milliseconds())),
		fmt.Sprintf("%.1f", a.caught.Seconds()), thousands(a.drained),
	}
}

func (a aftermath) sampling() []string {
	j := a.judgement
	return []string{thousands(float64(j.wanted)), thousands(float64(j.missing)), thousands(float64(j.broken)), j.share()}
}
