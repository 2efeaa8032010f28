package topology

import (
	"math"
	"math/rand/v2"
	"time"
)

// Distribution is a latency. Its zero value is always 0.
type Distribution struct {
	shape shape
	// a and b are: for constant the value; for lognormal the median and sigma;
	// for pareto the least and alpha. Durations are in nanoseconds.
	a, b float64
	// max cuts it off; 0 is no bound but longest.
	max float64
	// quantiles are in order; between two the logarithm grows evenly.
	quantiles []quantile
	parts     []part
}

type shape uint8

const (
	constant shape = iota
	lognormal
	pareto
	percentiles
	mixture
)

type quantile struct{ p, value float64 }

type part struct {
	weight float64 // of this and those before it, of 1
	Distribution
}

// longest bounds what a heavy tail may draw.
const longest = float64(time.Hour)

// usualSigma is the spread of a latency of which only the median is given.
const usualSigma = 0.35

// Constant always draws d.
func Constant(d time.Duration) Distribution { return Distribution{shape: constant, a: float64(d)} }

// LogNormal has a median, and sigma is the standard deviation of the
// logarithm.
func LogNormal(median time.Duration, sigma float64) Distribution {
	return Distribution{shape: lognormal, a: float64(median), b: sigma}
}

// Draw draws a duration, which is never negative, and an hour at most.
func (d *Distribution) Draw(r *rand.Rand) time.Duration {
	v := d.draw(r)
	if d.max > 0 {
		v = min(v, d.max)
	}
	return time.Duration(min(v, longest))
}

func (d *Distribution) draw(r *rand.Rand) float64 {
	switch d.shape {
	case lognormal:
		return d.a * math.Exp(d.b*r.NormFloat64())
	case pareto:
		return d.a / math.Pow(1-r.Float64(), 1/d.b)
	case percentiles:
		return d.interpolate(r.Float64())
	case mixture:
		at := r.Float64()
		for i := range d.parts {
			if at < d.parts[i].weight {
				return float64(d.parts[i].Draw(r))
			}
		}
		return float64(d.parts[len(d.parts)-1].Draw(r))
	default:
		return d.a
	}
}

func (d *Distribution) interpolate(p float64) float64 {
	last := d.quantiles[0]
	for _, q := range d.quantiles {
		if p <= q.p {
			if q.p == last.p {
				return q.value
			}
			share := (p - last.p) / (q.p - last.p)
			return math.Exp(math.Log(last.value)*(1-share) + math.Log(q.value)*share)
		}
		last = q
	}
	return last.value
}
