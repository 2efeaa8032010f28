package derive

import (
	"math"
	"math/big"
	"strings"
	"testing"
)

func TestWeight(t *testing.T) {
	for tracestate, want := range map[string]float64{
		"":                          1,
		"ot=th:0":                   1,
		"ot=th:8":                   2,
		"ot=th:c":                   4,
		"ot=th:c000":                4,
		"ot=th:e6666666666666":      10,
		"ot=th:fd70a4":              100,
		"ot=rv:abcdefabcdefab;th:8": 2,
		"ot=th:8;rv:abcdefabcdefab": 2,
		"vendor=th:8, ot=th:c ,x=y": 4,
		"\tot=th:8":                 2,
		"ot=th:fffffffffffff0":      maxWeight,
		"ot=th:ffffffffffffff":      maxWeight,
		// What cannot be read stands for itself.
		"ot=":                   1,
		"ot":                    1,
		"ot=th:":                1,
		"ot=th:8g":              1,
		"ot=th:C":               1,
		"ot=th:c00000000000000": 1,
		"xot=th:8":              1,
		"ot=xth:8":              1,
		"ot=p:8":                1,
		"ot=x:1,ot=th:8":        1, // The member is there twice: not a tracestate.
		",,;=,":                 1,
	} {
		if got := weight([]byte(tracestate)); math.Abs(got/want-1) > 1e-5 {
			t.Errorf("%q: %v, want %v", tracestate, got, want)
		}
	}
}

// FuzzWeight compares with the specification read literally.
func FuzzWeight(f *testing.F) {
	for _, tracestate := range []string{"ot=th:c", "a=b,ot=rv:0;th:fd7;x:y,c=d", "ot=th:", "ot=th:00000000000001", ";,=:", " ot=th:8\t,"} {
		f.Add(tracestate)
	}
	f.Fuzz(func(t *testing.T, tracestate string) {
		got := weight([]byte(tracestate))
		if want := weightLiterally(tracestate); math.Abs(got/want-1) > 1e-12 {
			t.Errorf("%q: %v, want %v", tracestate, got, want)
		}
	})
}

func weightLiterally(tracestate string) float64 {
	for member := range strings.SplitSeq(tracestate, ",") {
		key, value, _ := strings.Cut(strings.Trim(member, " \t"), "=")
		if key != "ot" || !strings.Contains(member, "=") {
			continue
		}
		for field := range strings.SplitSeq(value, ";") {
			digits, found := strings.CutPrefix(field, "th:")
			if !found {
				continue
			}
			if len(digits) < 1 || len(digits) > 14 || strings.Trim(digits, "0123456789abcdef") != "" {
				return 1
			}
			rejected, _ := new(big.Int).SetString(digits+strings.Repeat("0", 14-len(digits)), 16)
			whole := new(big.Int).Lsh(big.NewInt(1), 56)
			exact := new(big.Rat).SetFrac(whole, new(big.Int).Sub(whole, rejected))
			w, _ := exact.Float64()
			return min(w, maxWeight)
		}
		return 1
	}
	return 1
}

func TestShareIsRightInSum(t *testing.T) {
	for _, weight := range []float64{1, 1.5, 4, 3.3333, 1e5 + 0.1} {
		s, sum := share{}, uint64(0)
		for i := range 1000 {
			if sum += s.take(weight); math.Abs(float64(sum)-weight*float64(i+1)) >= 1 {
				t.Fatalf("%d times %v is counted as %d", i+1, weight, sum)
			}
		}
	}
}
