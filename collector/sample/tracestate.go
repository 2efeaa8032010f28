package sample

import (
	"bytes"
)

// field is a value of OpenTelemetry's member of a tracestate, which looks like
// ot=th:c;rv:0123456789abcd; nil where it is not there.
func field(state []byte, key string) []byte {
	for len(state) > 0 {
		var member []byte
		member, state, _ = bytes.Cut(state, []byte{','})
		fields, found := bytes.CutPrefix(bytes.Trim(member, " \t"), []byte("ot="))
		if !found {
			continue
		}
		for len(fields) > 0 {
			var f []byte
			f, fields, _ = bytes.Cut(fields, []byte{';'})
			if name, value, ok := bytes.Cut(f, []byte{':'}); ok && string(name) == key {
				return value
			}
		}
		return nil
	}
	return nil
}

// fraction is a hexadecimal number below 2^56, of which trailing zeros may be
// left out.
type fraction struct {
	value  uint64
	digits int
}

func hexadecimal(text []byte) (fraction, bool) {
	if len(text) == 0 || len(text) > maxDigits {
		return fraction{}, false
	}
	value := uint64(0)
	for i := range maxDigits {
		value <<= 4
		if i >= len(text) {
			continue
		}
		switch c := text[i]; {
		case c >= '0' && c <= '9':
			value |= uint64(c - '0')
		case c >= 'a' && c <= 'f':
			value |= uint64(c-'a') + 10
		default:
			return fraction{}, false
		}
	}
	return fraction{value, len(text)}, true
}

// appendThreshold appends a tracestate that says that the span was kept with
// that threshold, if not with a higher one before. Everything else in it
// stays; the member that changed comes first, as W3C's Trace Context has it.
func appendThreshold(dst, state []byte, threshold uint64) []byte {
	if before, ok := hexadecimal(field(state, "th")); ok && before.value >= threshold {
		return append(dst, state...)
	}
	dst = append(dst, "ot=th:"...)
	dst = appendHexadecimal(dst, threshold)
	var others []byte
	for member := range bytes.SplitSeq(state, []byte{','}) {
		member = bytes.Trim(member, " \t")
		fields, ours := bytes.CutPrefix(member, []byte("ot="))
		switch {
		case len(member) == 0:
		case !ours:
			others = append(append(others, ','), member...)
		default:
			for f := range bytes.SplitSeq(fields, []byte{';'}) {
				if len(f) > 0 && !bytes.HasPrefix(f, []byte("th:")) {
					dst = append(append(dst, ';'), f...)
				}
			}
		}
	}
	return append(dst, others...)
}

func appendHexadecimal(dst []byte, value uint64) []byte {
	const digits = "0123456789abcdef"
	first := len(dst)
	for shift := 4 * (maxDigits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, digits[value>>shift&0xf])
	}
	for len(dst) > first+1 && dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}
