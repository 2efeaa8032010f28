// Package verify asks a back end for the traces that a run of tracegen has
// sent, and says which of them are missing, incomplete, there twice, or not as
// they were sent.
package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybill-dev/waybill/tracegen"
	"github.com/waybill-dev/waybill/tracegen/recording"
)

// Config says whom to ask.
type Config struct {
	// URL is where Jaeger's query API is: Jaeger's own, the viewer's or the
	// sink's, without a path.
	URL string
	// Sample is how many traces are asked for, evenly spread over all; 0 is
	// all.
	Sample uint64
	// Wait bounds how long what is on its way is waited for.
	Wait time.Duration
	// Workers is how many questions are asked at once.
	Workers int
	// Recording is what was sent, where a recording was sent again.
	Recording *recording.Recording
}

// DefaultConfig asks the viewer, or Jaeger, on this machine for everything.
func DefaultConfig() Config {
	return Config{URL: "http://127.0.0.1:16686", Wait: 30 * time.Second, Workers: 8}
}

// Validate reports all that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if _, err := newClient(c.URL, 1); err != nil {
		errs = append(errs, err)
	}
	if c.Wait < 0 {
		errs = append(errs, fmt.Errorf("wait %v is negative", c.Wait))
	}
	if c.Workers < 1 || c.Workers > 256 {
		errs = append(errs, fmt.Errorf("%d workers: want 1 to 256", c.Workers))
	}
	return errors.Join(errs...)
}

// Run asks for the traces of a record until each is whole, or the wait is
// over. An error means that there is no answer to the question: the far end
// cannot be asked, or ctx has ended.
func Run(ctx context.Context, cfg Config, record tracegen.Record) (Result, error) {
	if err := cfg.Validate(); err != nil {
		return Result{}, err
	}
	remaker, err := cfg.remaker(record)
	if err != nil {
		return Result{}, err
	}
	client, err := newClient(cfg.URL, cfg.Workers)
	if err != nil {
		return Result{}, err
	}
	defer client.close()
	v := &verifier{cfg: cfg, client: client, remaker: remaker, began: time.Now()}
	result, err := v.run(ctx, record.Made.Traces)
	if err != nil || record.Logs.Made+record.Points.Made == 0 {
		return result, err
	}
	logs, points, known, err := client.counts(ctx)
	result.Logs = Others{record.Logs.Acknowledged, logs, !known}
	result.Points = Others{record.Points.Acknowledged, points, !known}
	return result, err
}

func (c Config) remaker(record tracegen.Record) (*tracegen.Remaker, error) {
	if c.Recording != nil {
		return tracegen.NewReplayRemaker(record, c.Recording)
	}
	return tracegen.NewRemaker(record)
}

// verifier asks in rounds: what is not whole is asked for again.
type verifier struct {
	cfg     Config
	client  *client
	remaker *tracegen.Remaker
	began   time.Time
	result  Result
}

// The time between two rounds doubles from firstPause to longestPause.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

func (v *verifier) run(ctx context.Context, traces uint64) (Result, error) {
	pending := v.choose(traces)
	v.result.Asked = uint64(len(pending))
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		findings, err := v.round(ctx, pending)
		if ctx.Err() != nil {
			return v.result, ctx.Err()
		}
		left := v.cfg.Wait - time.Since(v.began)
		if err != nil && left <= 0 {
			return v.result, err
		}
		if pending = v.sort(findings, left <= 0); len(pending) == 0 && err == nil {
			v.result.Elapsed = time.Since(v.began)
			return v.result, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(pause, max(left, 0))):
		}
	}
}

// choose lists the traces that are to be asked for.
func (v *verifier) choose(traces uint64) []uint64 {
	n := traces
	if v.cfg.Sample > 0 {
		n = min(n, v.cfg.Sample)
	}
	chosen := make([]uint64, 0, n)
	for i := range n {
		high, low := bits.Mul64(i, traces)
		index, _ := bits.Div64(high, low, n) // i < n, so that it fits
		if v.remaker.Certain(index) {
			chosen = append(chosen, index)
		} else {
			v.result.Unsure++
		}
	}
	return chosen
}

// round asks for each of some traces once. Where it cannot ask, the finding is
// that the trace is missing, and the error says why.
func (v *verifier) round(ctx context.Context, pending []uint64) ([]finding, error) {
	findings := make([]finding, len(pending))
	var next atomic.Int64
	var failure atomic.Pointer[error]
	var workers sync.WaitGroup
	for range min(v.cfg.Workers, len(pending)) {
		remaker := v.remaker.Clone()
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(pending) {
					return
				}
				want := remaker.At(pending[i])
				got, err := v.client.trace(ctx, want.ID)
				if err != nil {
					failure.Store(&err)
				}
				findings[i] = compare(want, got)
			}
		})
	}
	workers.Wait()
	if err := failure.Load(); err != nil {
		return findings, *err
	}
	return findings, nil
}

// sort writes down the findings that are final, and returns the traces that
// are to be asked for again.
func (v *verifier) sort(findings []finding, last bool) (again []uint64) {
	slices.SortFunc(findings, func(a, b finding) int { return cmp.Compare(a.index, b.index) })
	for _, f := range findings {
		if !last && f.missing > 0 {
			again = append(again, f.index)
			continue
		}
		v.result.add(f)
	}
	return again
}
