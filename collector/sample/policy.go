package sample

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// PolicyType is what a policy looks at.
type PolicyType string

// The types.
const (
	// Always wants every trace.
	Always PolicyType = "always"
	// Error wants those in which a span's status is an error.
	Error PolicyType = "error"
	// Latency wants those that took so long.
	Latency PolicyType = "latency"
	// Attribute wants those in which a span or its resource has an attribute.
	Attribute PolicyType = "attribute"
	// Status wants those in which a span has one of the statuses.
	Status PolicyType = "status"
	// SpanCount wants those with so many spans.
	SpanCount PolicyType = "span_count"
	// Probability wants a part of them all, always the same for one trace id.
	Probability PolicyType = "probability"
	// RateLimit wants as many as fit into a rate, shared fairly by services.
	RateLimit PolicyType = "rate_limit"
	// And wants what all of its policies want.
	And PolicyType = "and"
	// Not wants what its one policy does not want.
	Not PolicyType = "not"
	// Composite wants what the first of its policies wants that has room in its
	// share of a rate.
	Composite PolicyType = "composite"
)

// Policy is one reason to forward a trace. A key that is not of the policy's
// type is an error.
type Policy struct {
	// Name is the policy's in metrics; the type where it is empty.
	Name string     `yaml:"name"`
	Type PolicyType `yaml:"type"`
	// MinDuration and MaxDuration bound the time from the first span's start
	// to the last one's end, for latency. A MaxDuration of zero is no bound.
	MinDuration time.Duration `yaml:"min_duration"`
	MaxDuration time.Duration `yaml:"max_duration"`
	// Key is the attribute's, for attribute. It has to have one of the values,
	// as texts; where none are given any will do.
	Key    string   `yaml:"key"`
	Values []string `yaml:"values"`
	// Statuses are unset, ok and error, for status.
	Statuses []string `yaml:"statuses"`
	// MinSpans and MaxSpans are for span_count. Zero is no bound.
	MinSpans int `yaml:"min_spans"`
	MaxSpans int `yaml:"max_spans"`
	// Percent is for probability: 0 to 100.
	Percent float64 `yaml:"percent"`
	// SpansPerSecond and BytesPerSecond are for rate_limit and composite. Zero
	// is no bound.
	SpansPerSecond float64 `yaml:"spans_per_second"`
	BytesPerSecond float64 `yaml:"bytes_per_second"`
	// Share is how much of the rate a policy of a composite has, in percent.
	Share float64 `yaml:"share"`
	// Policies are those inside, for and, not and composite.
	Policies []Policy `yaml:"policies"`
}

// label is the policy's name in metrics.
func (p Policy) label() string {
	if p.Name == "" {
		return string(p.Type)
	}
	return p.Name
}

// keysOf are the keys that each type takes, beside name, type and share.
func keysOf(t PolicyType) (keys []string, known bool) {
	switch t {
	case Always, Error:
		return nil, true
	case Latency:
		return []string{"min_duration", "max_duration"}, true
	case Attribute:
		return []string{"key", "values"}, true
	case Status:
		return []string{"statuses"}, true
	case SpanCount:
		return []string{"min_spans", "max_spans"}, true
	case Probability:
		return []string{"percent"}, true
	case RateLimit:
		return []string{"spans_per_second", "bytes_per_second"}, true
	case And, Not:
		return []string{"policies"}, true
	case Composite:
		return []string{"spans_per_second", "bytes_per_second", "policies"}, true
	}
	return nil, false
}

// given are the keys that the policy has, beside name, type and share.
func (p Policy) given() []string {
	var keys []string
	add := func(given bool, key string) {
		if given {
			keys = append(keys, key)
		}
	}
	add(p.MinDuration != 0, "min_duration")
	add(p.MaxDuration != 0, "max_duration")
	add(p.Key != "", "key")
	add(len(p.Values) > 0, "values")
	add(len(p.Statuses) > 0, "statuses")
	add(p.MinSpans != 0, "min_spans")
	add(p.MaxSpans != 0, "max_spans")
	add(p.Percent != 0, "percent")
	add(p.SpansPerSecond != 0, "spans_per_second")
	add(p.BytesPerSecond != 0, "bytes_per_second")
	add(len(p.Policies) > 0, "policies")
	return keys
}

// validate goes through policies and those inside them.
func validate(policies []Policy, at string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: more than %d policies in each other", at, maxDepth)
	}
	var errs []error
	labels := map[string]bool{}
	for i, p := range policies {
		here := fmt.Sprintf("%s[%d]", at, i)
		if labels[p.label()] {
			errs = append(errs, fmt.Errorf("%s.name: %q is there twice; each policy wants a name of its own", here, p.label()))
		}
		labels[p.label()] = true
		errs = append(errs, p.validate(here), validate(p.Policies, here+".policies", depth+1))
	}
	return errors.Join(errs...)
}

func (p Policy) validate(at string) error {
	keys, known := keysOf(p.Type)
	if !known {
		return fmt.Errorf("%s.type: %q: want always, error, latency, attribute, status, span_count, probability, rate_limit, and, not or composite", at, p.Type)
	}
	var errs []error
	for _, key := range p.given() {
		if !slices.Contains(keys, key) {
			errs = append(errs, fmt.Errorf("%s.%s: not a key of a policy of type %s", at, key, p.Type))
		}
	}
	if reason := p.wrong(); reason != "" {
		errs = append(errs, fmt.Errorf("%s.%s", at, reason))
	}
	return errors.Join(errs...)
}

// wrong is the key whose value will not do, and why.
func (p Policy) wrong() string {
	switch p.Type {
	case Latency:
		if p.MinDuration < 0 || p.MaxDuration < 0 || p.MaxDuration > 0 && p.MaxDuration < p.MinDuration || p.MinDuration+p.MaxDuration == 0 {
			return "min_duration: want a duration above 0, and max_duration, where it is given, no shorter"
		}
	case Attribute:
		if p.Key == "" {
			return "key: the attribute's key is not given"
		}
	case Status:
		if len(p.Statuses) == 0 || slices.ContainsFunc(p.Statuses, func(s string) bool { return statusBit(s) == 0 }) {
			return "statuses: want one or more of unset, ok, error"
		}
	case SpanCount:
		if p.MinSpans < 0 || p.MaxSpans < 0 || p.MaxSpans > 0 && p.MaxSpans < p.MinSpans || p.MinSpans+p.MaxSpans == 0 {
			return "min_spans: want a number above 0, and max_spans, where it is given, no lower"
		}
	case Probability:
		if !(p.Percent >= 0 && p.Percent <= 100) {
			return fmt.Sprintf("percent: %v: want 0 to 100", p.Percent)
		}
	case RateLimit:
		return p.wrongRate()
	case And:
		if len(p.Policies) == 0 {
			return "policies: none"
		}
	case Not:
		if len(p.Policies) != 1 || !p.Policies[0].certain() {
			return "policies: want one, without probability, rate_limit or composite in it: what those do not want has no reason"
		}
	case Composite:
		return p.wrongComposite()
	}
	return ""
}

func (p Policy) wrongRate() string {
	if p.SpansPerSecond < 0 || p.BytesPerSecond < 0 || p.SpansPerSecond+p.BytesPerSecond == 0 {
		return "spans_per_second: want a number above 0 for this or for bytes_per_second"
	}
	return ""
}

func (p Policy) wrongComposite() string {
	sum := 0.0
	for _, inner := range p.Policies {
		if !(inner.Share > 0) {
			return "policies: each of them wants a share above 0, in percent"
		}
		sum += inner.Share
	}
	if !(sum > 0 && sum <= 100) {
		return fmt.Sprintf("policies: their shares are %v percent: want more than 0 and at most 100", sum)
	}
	return p.wrongRate()
}

// certain says whether the policy's answer depends on the trace alone.
func (p Policy) certain() bool {
	uncertain := p.Type == Probability || p.limited()
	return !uncertain && !slices.ContainsFunc(p.Policies, func(inner Policy) bool { return !inner.certain() })
}

// limited says whether the policy's answer uses up a rate.
func (p Policy) limited() bool {
	return p.Type == RateLimit || p.Type == Composite || slices.ContainsFunc(p.Policies, Policy.limited)
}

// verdict is what a policy says about a trace.
type verdict struct {
	keep bool
	// threshold is the part of 2^56 traces of its kind that were not kept;
	// zero where all of them are.
	threshold uint64
}

// judge is a policy that is ready. It is used by one goroutine.
type judge interface {
	// judge may use up a rate where it keeps the trace. now is of the clock by
	// which traces wait.
	judge(t *trace, now time.Time) verdict
}

// bench has the judges of a configuration, and what they have to know of spans.
type bench struct {
	policies []Policy
	judges   []judge
	traits   []trait
}

func newBench(policies []Policy) *bench {
	b := &bench{policies: policies}
	for _, p := range policies {
		b.judges = append(b.judges, b.seat(p))
	}
	return b
}

func (b *bench) seat(p Policy) judge {
	switch p.Type {
	case Always:
		return always{}
	case Error:
		return status{mask: statusBit("error")}
	case Latency:
		return latency{least: uint64(p.MinDuration), most: uint64(p.MaxDuration)}
	case Attribute:
		b.traits = append(b.traits, trait{key: p.Key, values: p.Values})
		return attribute{mark: 1 << (len(b.traits) - 1)}
	case Status:
		return newStatus(p.Statuses)
	case SpanCount:
		return spanCount{least: p.MinSpans, most: p.MaxSpans}
	case Probability:
		return probability{threshold: thresholdOf(p.Percent / 100)}
	case RateLimit:
		return newRateLimit(p.SpansPerSecond, p.BytesPerSecond)
	case And:
		return b.and(p.Policies)
	case Not:
		return not{b.seat(p.Policies[0])}
	case Composite:
		return b.composite(p)
	}
	panic(fmt.Sprintf("BUG: a policy of type %q is valid and unknown", p.Type))
}

// nobody is the index of no policy.
const nobody = -1

// decide asks the judges in order until one keeps the trace for certain, and
// says which policy kept it; nobody where none did, and where there is none. A
// trace that head sampling leaves out no judge is asked about, and one that it
// samples has no lower threshold than its.
func (b *bench) decide(t *trace, now time.Time) (verdict, int) {
	if t.random < t.threshold {
		return verdict{}, nobody
	}
	if len(b.judges) == 0 {
		return verdict{keep: true, threshold: t.threshold}, nobody
	}
	best, by := verdict{}, nobody
	for i, j := range b.judges {
		v := j.judge(t, now)
		if v.keep && (by < 0 || v.threshold < best.threshold) {
			best, by = v, i
		}
		if best.keep && best.threshold == 0 {
			break
		}
	}
	best.threshold = max(best.threshold, t.threshold)
	return best, by
}
