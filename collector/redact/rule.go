package redact

import (
	"crypto/sha256"
	"hash"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/waybill-dev/waybill/collector/wire"
)

// redacted is what stands where something was masked.
const redacted = "REDACTED"

// rule is a Rule that can be applied. It is safe for concurrent use.
type rule struct {
	name   string
	index  int              // among the rules
	keys   []*regexp.Regexp // none: any key, and texts without one
	find   finder           // nil: the value as a whole
	needs  class            // find finds nothing in texts that have none of them; 0: unknown
	action string
	// keepLast is how many characters of what is masked stay.
	keepLast int
	// sparesBools leaves alone what can be no secret.
	sparesBools bool
}

// span is a part of a text.
type span struct{ start, end int }

// finder appends the parts of a text that are meant to dst: in order, apart
// from each other, none empty.
type finder func(dst []span, text []byte) []span

// glob makes a key with * and ? a regular expression.
func glob(key string) *regexp.Regexp {
	pattern := regexp.QuoteMeta(key)
	pattern = strings.ReplaceAll(pattern, `\*`, `.*`)
	pattern = strings.ReplaceAll(pattern, `\?`, `.`)
	return regexp.MustCompile(`(?is)^` + pattern + `$`)
}

func newRule(c Rule) *rule {
	r := &rule{name: c.Name, action: c.Action, keepLast: c.KeepLast}
	if c.Key != "" {
		r.keys = []*regexp.Regexp{glob(c.Key)}
	}
	if c.Pattern != "" {
		r.find = pattern(c.Pattern)
	}
	for _, name := range []string{c.Key, c.Pattern} {
		if r.name == "" {
			r.name = strings.ToValidUTF8(name, "?")
		}
	}
	return r
}

func (r *rule) matches(key []byte) bool {
	for _, re := range r.keys {
		if re.Match(key) {
			return true
		}
	}
	return len(r.keys) == 0
}

// spares says whether there is nothing to hide in a value.
func (r *rule) spares(v wire.Value) bool {
	switch v.Kind() {
	case wire.Empty, wire.Index:
		return true
	case wire.Bool:
		return r.sparesBools
	case wire.String:
		return r.action == Mask && string(v.Str()) == redacted
	default:
		return false
	}
}

// text is what stands for a value where the rule hashes it, or keeps a part.
func (r *rule) text(v wire.Value) []byte {
	switch {
	case v.Kind() == wire.String:
		return v.Str()
	case r.action == Mask && r.keepLast == 0:
		return nil
	default:
		return []byte(v.String())
	}
}

// substitute appends what stands for a text that is masked or hashed.
func (r *rule) substitute(dst, text []byte, mac hash.Hash) []byte {
	if r.action == Hash {
		mac.Reset()
		_, _ = mac.Write(text) // A hash never fails.
		return hexLast(mac.Sum(dst), sha256.Size)
	}
	dst = append(dst, redacted...)
	if r.keepLast == 0 || utf8.RuneCount(text) <= 2*r.keepLast {
		return dst
	}
	at := len(text)
	for range r.keepLast {
		_, size := utf8.DecodeLastRune(text[:at])
		at -= size
	}
	return append(dst, text[at:]...)
}

// hexLast replaces the last n bytes, where they are, by the first half of them
// in hex.
func hexLast(dst []byte, n int) []byte {
	const digits = "0123456789abcdef"
	sum := dst[len(dst)-n:]
	for i := n/2 - 1; i >= 0; i-- {
		b := sum[i]
		sum[2*i], sum[2*i+1] = digits[b>>4], digits[b&15]
	}
	return dst
}
