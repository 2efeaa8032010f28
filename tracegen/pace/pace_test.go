package pace

import (
	"math"
	"strings"
	"testing"
	"time"
)

// shapes are one of each, with how much is due at some times, in seconds.
var shapes = map[string]map[float64]float64{
	"constant":                         {0: 0, 1: 100, 60: 6000},
	"ramp:to=300,over=10s":             {0: 0, 5: 750, 10: 2000, 20: 5000},
	"ramp:to=0,over=10s":               {0: 0, 5: 375, 10: 500, 20: 500},
	"steps:add=50,every=10s":           {10: 1000, 20: 2500, 25: 3500, 30: 4500},
	"steps:add=50,every=10s,to=150":    {10: 1000, 20: 2500, 30: 4000, 100: 14500},
	"sine:amplitude=50,period=10s":     {0: 0, 5: 500 + 500/math.Pi, 10: 1000, 20: 2000},
	"burst:factor=10,for=1s,every=10s": {9: 900, 9.5: 1400, 10: 1900, 19: 2800, 20: 3800},
}

func TestDueIsTheIntegralOfTheRate(t *testing.T) {
	for text, want := range shapes {
		p, err := Parse(text, 100)
		if err != nil {
			t.Fatal(err)
		}
		for at, units := range want {
			if got := p.Due(time.Duration(at * float64(time.Second))); math.Abs(got-units) > 1e-6*units {
				t.Errorf("%s: %v due after %vs, want %v", text, got, at, units)
			}
		}
	}
}

func TestWhenIsTheInverseOfDue(t *testing.T) {
	for text := range shapes {
		p, err := Parse(text, 100)
		if err != nil {
			t.Fatal(err)
		}
		last := time.Duration(-1)
		for units := 0.0; units < 480; units++ {
			at := p.When(units)
			if at < last {
				t.Fatalf("%s: unit %v is due after %v, the one before after %v", text, units, at, last)
			}
			if due := p.Due(at); math.Abs(due-units) > 1e-4 {
				t.Errorf("%s: unit %v is due after %v, when %v are", text, units, at, due)
			}
			last = at
		}
	}
	for _, p := range []Pacer{Constant(0), Ramp(10, 0, time.Second)} {
		if at := p.When(6); at != Never {
			t.Errorf("%#v: what is never due is due after %v", p, at)
		}
	}
}

func TestBadPaces(t *testing.T) {
	for text, want := range map[string]string{
		"zigzag":                          "want constant, ramp",
		"ramp":                            "to=: want a number",
		"ramp:to":                         `"to" is not key=value`,
		"ramp:to=5":                       "over=: want a duration",
		"ramp:to=-5,over=1s":              "to=-5: want a number that is not negative",
		"ramp:to=5,over=1s,by=2":          "by is unknown",
		"steps:add=0,every=1s":            "want add above 0",
		"steps:add=1,every=1s,to=1":       "to not below the rate",
		"sine:amplitude=200,period=1s":    "above the rate",
		"burst:factor=2,for=2s,every=1s":  "longer than the time to the next",
		"burst:factor=x,for=2s,every=10s": "factor=x",
	} {
		if _, err := Parse(text, 100); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want %s", text, err, want)
		}
	}
}

// What was recorded is due when it was due then.
func TestRecorded(t *testing.T) {
	p := Recorded([]time.Duration{0, time.Second, time.Second, 5 * time.Second}, 2)
	for at, due := range map[time.Duration]float64{0: 1, time.Second - 1: 1, time.Second: 5, 4 * time.Second: 5, 5 * time.Second: 7, time.Hour: 7} {
		if got := p.Due(at); got != due {
			t.Errorf("after %v unit %v is due, want %v", at, got, due)
		}
	}
	for unit, at := range map[float64]time.Duration{0: 0, 1: 0, 2: time.Second, 5: time.Second, 6: 5 * time.Second, 7: 5 * time.Second, 8: Never} {
		if got := p.When(unit); got != at {
			t.Errorf("unit %v is due after %v, want %v", unit, got, at)
		}
	}
}
