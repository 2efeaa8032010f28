package tracegen

import "time"

// Moment is what a stretch of a run has come to.
type Moment struct {
	// Until is when the stretch ends, in seconds since the run began. It begins
	// where the one before ends.
	Until float64 `json:"until"`
	// Due is how many units of the rate were due in it; 0 where there is no
	// rate.
	Due          float64 `json:"due,omitempty"`
	Made         Amount  `json:"made"`
	Acknowledged Amount  `json:"acknowledged"`
	Rejected     Amount  `json:"rejected"`
	Failed       Amount  `json:"failed"`
	Retries      uint64  `json:"retries"`
	// Latency and Late are of the requests that were answered, and sent, in it.
	Latency quantileSeconds `json:"latency_seconds"`
	Late    quantileSeconds `json:"late_seconds"`
}

// maxMoments bounds a timeline. One that is longer has two stretches joined.
const maxMoments = 600

// timeline divides a run into stretches of the same length: a second, or more
// when the run is long. It is used under the account's lock.
type timeline struct {
	every   time.Duration
	due     func(elapsed time.Duration) float64
	moments []Moment
	before  Moment // sums up to now
	// latencies and lateness are of the stretch under way.
	latencies, lateness latencies
}

func newTimeline(due func(time.Duration) float64) timeline {
	return timeline{every: time.Second, due: due}
}

// tick ends a stretch when it is time to, or in any case when the run is over.
func (l *timeline) tick(elapsed time.Duration, totals Report, over bool) {
	last := 0.0
	if n := len(l.moments); n > 0 {
		last = l.moments[n-1].Until
	}
	if elapsed.Seconds()-last < l.every.Seconds()*0.9 && !over {
		return
	}
	now := Moment{
		Until: elapsed.Seconds(), Due: l.due(elapsed), Made: totals.Made, Acknowledged: totals.Acknowledged,
		Rejected: totals.Rejected, Failed: totals.Failed, Retries: totals.Retries,
	}
	m := now
	m.Due -= l.before.Due
	m.Made, m.Acknowledged = m.Made.minus(l.before.Made), m.Acknowledged.minus(l.before.Acknowledged)
	m.Rejected, m.Failed = m.Rejected.minus(l.before.Rejected), m.Failed.minus(l.before.Failed)
	m.Retries -= l.before.Retries
	m.Latency, m.Late = inSeconds(l.latencies.quantiles()), inSeconds(l.lateness.quantiles())
	l.before, l.latencies, l.lateness = now, latencies{}, latencies{}
	if over && len(l.moments) > 0 && elapsed.Seconds()-last < l.every.Seconds()/2 {
		m = join(l.moments[len(l.moments)-1], m) // a rate of so short a stretch says nothing
		l.moments = l.moments[:len(l.moments)-1]
	}
	if l.moments = append(l.moments, m); len(l.moments) >= maxMoments {
		l.halve()
	}
}

// halve joins each two stretches.
func (l *timeline) halve() {
	l.every *= 2
	joined := l.moments[:0]
	for i := 0; i+1 < len(l.moments); i += 2 {
		joined = append(joined, join(l.moments[i], l.moments[i+1]))
	}
	l.moments = joined
}

// join makes one stretch of two. Of two quantiles the larger stands for both,
// which is never too good.
func join(a, b Moment) Moment {
	b.Due += a.Due
	b.Made.add(a.Made)
	b.Acknowledged.add(a.Acknowledged)
	b.Rejected.add(a.Rejected)
	b.Failed.add(a.Failed)
	b.Retries += a.Retries
	b.Latency, b.Late = b.Latency.worst(a.Latency), b.Late.worst(a.Late)
	return b
}

func (q quantileSeconds) worst(r quantileSeconds) quantileSeconds {
	return quantileSeconds{max(q.P50, r.P50), max(q.P90, r.P90), max(q.P99, r.P99), max(q.Max, r.Max)}
}

func (a Amount) minus(b Amount) Amount {
	return Amount{a.Requests - b.Requests, a.Traces - b.Traces, a.Spans - b.Spans, a.Bytes - b.Bytes}
}
