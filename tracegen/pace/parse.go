package pace

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parse reads a pacer as a person writes it, around a rate in units a second:
//
//	constant
//	ramp:to=RATE,over=DURATION
//	steps:add=RATE,every=DURATION[,to=RATE]
//	sine:amplitude=RATE,period=DURATION
//	burst:factor=N,for=DURATION,every=DURATION
func Parse(text string, rate float64) (Pacer, error) {
	name, rest, _ := strings.Cut(text, ":")
	p := parameters{name: name, given: map[string]string{}}
	for pair := range strings.SplitSeq(rest, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok && rest != "" {
			return nil, fmt.Errorf("pace %q: %q is not key=value", text, pair)
		}
		if rest != "" {
			p.given[key] = value
		}
	}
	pacer := p.pacer(rate)
	if p.err == nil && len(p.given) > 0 {
		p.fail("%s is unknown", strings.Join(slices.Sorted(maps.Keys(p.given)), ", "))
	}
	if p.err != nil {
		return nil, fmt.Errorf("pace %q: %w", text, p.err)
	}
	return pacer, nil
}

// parameters are what a pace has behind its name; each is taken out once.
type parameters struct {
	name  string
	given map[string]string
	err   error
}

func (p *parameters) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *parameters) pacer(rate float64) Pacer {
	switch p.name {
	case "constant", "":
		return Constant(rate)
	case "ramp":
		return Ramp(rate, p.number("to", math.NaN()), p.duration("over"))
	case "steps":
		add, every := p.number("add", math.NaN()), p.duration("every")
		limit := p.number("to", math.Inf(1))
		if add == 0 || limit < rate {
			p.fail("want add above 0, and to not below the rate")
		}
		return Steps(rate, add, every, limit)
	case "sine":
		amplitude := p.number("amplitude", math.NaN())
		if amplitude > rate {
			p.fail("the amplitude is above the rate: it would go below nothing")
		}
		return Sine(rate, amplitude, p.duration("period"))
	case "burst":
		factor, lasting, every := p.number("factor", math.NaN()), p.duration("for"), p.duration("every")
		if lasting > every {
			p.fail("a burst lasts longer than the time to the next")
		}
		return Burst(rate, factor, lasting, every)
	default:
		p.fail("want constant, ramp, steps, sine or burst")
		return Constant(0)
	}
}

// number takes a number that is not negative; where there is none, otherwise
// stands for it, and NaN is an error.
func (p *parameters) number(key string, otherwise float64) float64 {
	text, ok := p.given[key]
	delete(p.given, key)
	if !ok && !math.IsNaN(otherwise) {
		return otherwise
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0 && n <= 1e12) {
		p.fail("%s=%s: want a number that is not negative", key, text)
		return 0
	}
	return n
}

func (p *parameters) duration(key string) time.Duration {
	text := p.given[key]
	delete(p.given, key)
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		p.fail("%s=%s: want a duration above 0", key, text)
		return time.Second
	}
	return d
}
