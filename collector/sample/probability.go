package sample

import (
	"math"
	"time"
)

// probability wants traces whose randomness reaches a threshold, after
// OpenTelemetry's "TraceState: Probability Sampling": of one trace every
// sampler with the same threshold, and every one with a lower, thinks alike.
type probability struct{ threshold uint64 }

func (p probability) judge(t *trace, _ time.Time) verdict {
	return verdict{keep: t.random >= p.threshold, threshold: p.threshold}
}

const (
	// randomness is one more than the highest.
	randomness = 1 << 56
	// precision is how many hexadecimal digits a threshold has behind those
	// that are f.
	precision = 4
	maxDigits = 14
)

// thresholdOf is the part of 2^56 that a probability leaves out.
func thresholdOf(probability float64) uint64 {
	if probability <= 0 {
		return randomness
	}
	threshold := randomness - max(1, uint64(math.Round(probability*randomness)))
	digits := precision
	for digits < maxDigits && threshold>>(56-4*(digits-precision+1))+1 == 1<<(4*(digits-precision+1)) {
		digits++
	}
	unit := uint64(1) << (56 - 4*digits)
	return min((threshold+unit/2)/unit*unit, randomness-unit)
}
