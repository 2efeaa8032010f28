package shopper

import "time"

// Pacer says when orders are due. Both methods are pure, safe for concurrent
// use, and never decrease, so a slow shop is not asked any less often.
// tracegen/pace has some.
type Pacer interface {
	// Due is how many orders are due once so much time has passed.
	Due(elapsed time.Duration) float64
	// When is after how much time so many orders are due.
	When(orders float64) time.Duration
}

// farAway is longer than any demo runs, and far from overflowing.
const farAway = 365 * 24 * time.Hour

// steady is a rate that stays as it is, in orders a second.
type steady float64

// Due implements Pacer.
func (s steady) Due(elapsed time.Duration) float64 { return float64(s) * elapsed.Seconds() }

// When implements Pacer.
func (s steady) When(orders float64) time.Duration {
	return time.Duration(min(orders/float64(s), farAway.Seconds()) * float64(time.Second))
}

// rateSpan is over how long a rate is measured: short beside a day of the demo's.
const rateSpan = time.Second

// rate is how many orders a second are due at that time.
func rate(p Pacer, elapsed time.Duration) float64 {
	return (p.Due(elapsed+rateSpan) - p.Due(elapsed)) / rateSpan.Seconds()
}
