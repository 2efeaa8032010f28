package derive

import (
	"bytes"
	"math"
)

// maxWeight is the most that one span may count for. A threshold that asks for
// more is wrong, or hostile: one such span would drown all others.
const maxWeight = 1 << 20

// weight is how many spans one stands for, by the sampling threshold in its
// tracestate: after OpenTelemetry's "TraceState: Probability Sampling", the
// member ot has a field th of up to 14 hexadecimal digits, trailing zeros left
// out, which is the part of 2^56 random numbers that were not sampled. Without
// a threshold, or with one that cannot be read, a span stands for itself.
func weight(tracestate []byte) float64 {
	digits := threshold(tracestate)
	if len(digits) == 0 || len(digits) > 14 {
		return 1
	}
	rejected := uint64(0)
	for i := range 14 {
		rejected <<= 4
		if i >= len(digits) {
			continue
		}
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
			rejected |= uint64(c - '0')
		case c >= 'a' && c <= 'f':
			rejected |= uint64(c-'a') + 10
		default:
			return 1
		}
	}
	return min(math.Exp2(56)/float64(1<<56-rejected), maxWeight)
}

// threshold finds the digits in ot=…;th:…;….
func threshold(tracestate []byte) []byte {
	for len(tracestate) > 0 {
		var member []byte
		member, tracestate, _ = bytes.Cut(tracestate, []byte{','})
		fields, found := bytes.CutPrefix(bytes.TrimLeft(member, " \t"), []byte("ot="))
		if !found {
			continue
		}
		for fields = bytes.TrimRight(fields, " \t"); len(fields) > 0; {
			var field []byte
			field, fields, _ = bytes.Cut(fields, []byte{';'})
			if digits, found := bytes.CutPrefix(field, []byte("th:")); found {
				return digits
			}
		}
		return nil
	}
	return nil
}

// share turns weights into whole counts: what is left of one goes to the next,
// so that the sum is never off by as much as one.
type share struct{ rest float64 }

// take is the count for a weight, which is at least 1.
func (s *share) take(weight float64) uint64 {
	if weight == 1 {
		return 1
	}
	sum := s.rest + weight
	n := uint64(sum)
	s.rest = sum - float64(n)
	return n
}
