package tracegen

import (
	"math/rand/v2"
	"time"

	"github.com/waybill-dev/waybill/tracegen/pace"
)

// schedule says which traces are due when. It is a pure function of the time
// that has passed and of what has been handed out; only what a trace weighs is
// learnt as traces are made.
type schedule struct {
	pacer    pace.Pacer // nil has all of them due at once
	traces   uint64     // 0 is no limit
	duration time.Duration
	// weight is how many units a trace is, on average: 1, or its spans or
	// bytes.
	weight float64
	// counted is of a pacer that tells the number of the last that is due, and
	// not how many are.
	counted bool
	// arrivals draws the distance of Poisson arrivals; nil is regular.
	arrivals *rand.Rand
}

func newSchedule(cfg Config, weight float64) (schedule, error) {
	s := schedule{traces: cfg.Traces, duration: cfg.Duration, weight: weight}
	if cfg.Recording != nil && cfg.Speed > 0 {
		s.pacer, s.weight, s.counted = recordedPace(cfg), 1, true
		return s, nil
	}
	if cfg.Rate == 0 {
		return s, nil
	}
	var err error
	if s.pacer, err = pace.Parse(cfg.Pace, cfg.Rate); err != nil {
		return s, err
	}
	if cfg.Poisson {
		s.arrivals = rand.New(rand.NewPCG(cfg.Seed, 0)) //nolint:gosec // the arrivals are to be the same each time
	}
	return s, nil
}

// recordedPace has traces due as they ended when they were recorded.
func recordedPace(cfg Config) pace.Pacer {
	traces := cfg.Recording.Traces()
	times := make([]time.Duration, 0, len(traces))
	first := traces[0].End()
	for _, t := range traces {
		times = append(times, time.Duration(float64(t.End()-first)/cfg.Speed))
	}
	return pace.Recorded(times, max(cfg.Copies, 1))
}

// first is where the first trace is due, in units.
func (s *schedule) first() float64 {
	if s.arrivals == nil {
		return 0
	}
	return s.gap()
}

// gap is how far the next trace is from this one, in units.
func (s *schedule) gap() float64 {
	if s.arrivals == nil {
		return s.weight
	}
	return s.weight * s.arrivals.ExpFloat64()
}

// end is where nothing is due any more, in units: the first trace that would
// be due when the duration is over. Traces that weigh more than one unit are
// rounded, rather than all counted in.
func (s *schedule) end() float64 {
	total := s.pacer.Due(s.duration)
	if s.counted {
		return total + 0.5
	}
	if s.weight != 1 && s.arrivals == nil {
		return total - s.weight/2
	}
	return total - 1e-9
}

// due is how many units are due once so much time has passed, and whether
// that is all that there will ever be.
func (s *schedule) due(elapsed time.Duration) (units float64, all bool) {
	if s.duration > 0 && elapsed >= s.duration {
		return s.pacer.Due(s.duration), true
	}
	return s.pacer.Due(elapsed), false
}

// expected is how many units are due after so long; 0 where there is no rate.
func (s *schedule) expected(elapsed time.Duration) float64 {
	if s.pacer == nil {
		return 0
	}
	units, _ := s.due(elapsed)
	if s.counted {
		units++
	}
	if s.traces > 0 {
		units = min(units, float64(s.traces)*s.weight)
	}
	return units
}
