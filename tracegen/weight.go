package tracegen

import "time"

// weighing is how many traces are made to learn what one weighs.
const weighing = 500

// weight is what a trace weighs on average, in the unit of the rate.
func weight(m maker, cfg Config) float64 {
	if cfg.Unit == Traces || cfg.Rate == 0 {
		return 1
	}
	total := 0.0
	for o := (order{n: weighing}); o.n > 0; {
		b := m.encode(cfg.Seed, o, time.Unix(0, 0))
		total += b.weight(cfg.Unit)
		o.first, o.n = o.first+uint64(b.traces), o.n-b.traces
	}
	return total / weighing
}

// weight is what a batch weighs, in a unit.
func (b batch) weight(unit Unit) float64 {
	switch unit {
	case Spans:
		return float64(b.spans)
	case Bytes:
		return float64(b.size())
	default:
		return float64(b.traces)
	}
}
