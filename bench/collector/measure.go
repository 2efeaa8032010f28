package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// patience is how long a subject may deliver nothing before what it still owes
// counts as lost.
const patience = 10 * time.Second

// result is what one subject showed under one load.
type result struct {
	tally
	judgement judgement // of a subject that samples
	derived   derived   // of one that derives

	cpu       time.Duration // of the process, from the load's beginning until all had arrived and been counted
	switches  int64         // of context, in the same time
	peak      int64         // bytes resident
	accepting time.Duration // from the load's beginning to the last answer
	arriving  time.Duration // and until all had arrived
	p99       time.Duration // to an answer, from when the request was due
	refused   int64         // requests
	broken    int64         // requests of which nobody knows what became
}

// bench has what all measurements of a run share.
type bench struct {
	binaries binaries
	work     *work
	dir      string
	bytes    int64
}

// stage is one subject between a load and a sink.
type stage struct {
	subject subject
	bench   *bench
	at      setting
	ledger  *ledger
	metrics exported
	sink    *sink
	process *process
	load    *load
}

// open starts a subject with nothing on disk. Close it.
func (b *bench) open(ctx context.Context, s subject, rate float64) (*stage, error) {
	st := &stage{subject: s, bench: b, ledger: &ledger{}}
	dir, err := os.MkdirTemp(b.dir, s.name+"-")
	if err != nil {
		return nil, err
	}
	st.at.dir, st.at.bytes = dir, b.bytes
	if err := st.begin(ctx, rate); err != nil {
		return nil, errors.Join(err, st.close())
	}
	return st, nil
}

func (st *stage) begin(ctx context.Context, rate float64) (err error) {
	if st.at.listen, err = freeAddress(ctx); err != nil {
		return err
	}
	if st.at.scrape, err = freeAddress(ctx); err != nil {
		return err
	}
	if st.sink, err = startSink(ctx, endpoints{}, st.take); err != nil {
		return err
	}
	st.at.backend = st.sink.at
	if st.load, err = newLoad(st.at.listen, rate, st.ledger, st.bench.work); err != nil {
		return err
	}
	return st.start(ctx)
}

// take takes what the backend is sent.
func (st *stage) take(path string, request []byte) error {
	if path == "/v1/metrics" {
		return st.metrics.take(request)
	}
	return st.ledger.arrive(request)
}

// start runs the subject, on what it has left on disk.
func (st *stage) start(ctx context.Context) (err error) {
	st.process, err = st.subject.start(ctx, st.bench.binaries, st.at)
	return err
}

// close ends everything, kindly where that is possible.
func (st *stage) close() error {
	var err error
	if st.load != nil {
		st.load.close()
	}
	if st.process != nil {
		err = st.process.stop()
	}
	if st.sink != nil {
		st.sink.stop()
	}
	return errors.Join(err, os.RemoveAll(st.at.dir))
}

// sendFor runs the load for a while.
func (st *stage) sendFor(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	st.load.run(ctx)
}

// drain waits until all that was acknowledged has arrived, or nothing more comes.
// Of what is sampled not all does.
func (st *stage) drain(ctx context.Context) {
	began := time.Now()
	wait := patience
	if st.subject.tail {
		wait = decisionWait + 3*time.Second
	}
	for ctx.Err() == nil {
		arrived, last := st.ledger.progress()
		if arrived >= int(st.load.acknowledged.Load())*spansPerRequest && st.ledger.tally().lost == 0 {
			return
		}
		if last.Before(began) {
			last = began
		}
		if time.Since(last) > wait {
			return
		}
		sleep(ctx, 5*time.Millisecond)
	}
}

// measure puts a subject under load for a while.
func (b *bench) measure(ctx context.Context, s subject, rate float64, d time.Duration) (r result, err error) {
	st, err := b.open(ctx, s, rate)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	before, err := st.process.cpu()
	if err != nil {
		return r, err
	}
	switchesBefore, err := st.process.switches()
	if err != nil {
		return r, err
	}
	began := time.Now()
	st.sendFor(ctx, d)
	if st.load.acknowledged.Load() == 0 {
		return r, fmt.Errorf("%s acknowledged nothing: %s", s.name, st.process.log.String())
	}
	r.accepting = time.Unix(0, st.load.lastAck.Load()).Sub(began)
	st.drain(ctx)
	_, last := st.ledger.progress()
	r.arriving = last.Sub(began)
	if s.red { // What has been delivered need not be counted yet.
		if r.derived, err = st.derived(ctx); err != nil {
			return r, err
		}
	}
	after, err := st.process.cpu()
	if err != nil {
		return r, err
	}
	r.cpu = after - before
	if r.switches, err = st.process.switches(); err != nil {
		return r, err
	}
	r.switches -= switchesBefore
	if r.peak, err = st.process.peak(); err != nil {
		return r, err
	}
	r.p99, r.refused, r.broken = st.load.p99(), st.load.refused.Load(), st.load.broken.Load()
	r.tally = st.ledger.tally()
	if s.tail {
		r.judgement = st.ledger.judge(b.work)
	}
	return r, ctx.Err()
}

// perMillion is the CPU time for a million spans that were acknowledged.
func (r result) perMillion() float64 {
	return r.cpu.Seconds() / float64(max(r.acknowledged, 1)) * 1e6
}

// switchesEach is how many changes of context there were for each request.
func (r result) switchesEach() float64 {
	return float64(r.switches) / float64(max(r.acknowledged, 1)) * spansPerRequest
}

func (r result) String() string {
	text := r.text()
	if r.judgement.traces > 0 {
		text += "; " + r.judgement.String()
	}
	if r.derived.series > 0 {
		text += "; " + r.derived.String()
	}
	return text
}

func (r result) text() string {
	return fmt.Sprintf("%.2f CPU s/Mspan, %.0f context switches a request, peak %d MiB, %.0f spans/s accepted, %.0f delivered, p99 %v, %d lost, %d duplicates, %d refused, %d broken",
		r.perMillion(), r.switchesEach(), r.peak>>20, r.accepted(), r.delivered(), r.p99.Round(100*time.Microsecond), r.lost, r.duplicates, r.refused, r.broken)
}

func (r result) accepted() float64  { return float64(r.acknowledged) / r.accepting.Seconds() }
func (r result) delivered() float64 { return float64(r.arrived) / r.arriving.Seconds() }
