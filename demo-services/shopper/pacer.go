package shopper

import "time"

// farAway is longer than any demo runs, and far from overflowing.
const farAway = 365 * 24 * time.Hour

// pacer is a steady rate, in orders a second.
type pacer float64

// wait is how long it is, at elapsed since the start and with so many orders
// due before, until the next one is due; zero is now. It knows nothing of how
// long the orders take, so a slow shop is not asked any less often.
func (p pacer) wait(elapsed time.Duration, before uint64) time.Duration {
	due := min(float64(before)/float64(p), farAway.Seconds())
	return max(0, time.Duration(due*float64(time.Second))-elapsed)
}
