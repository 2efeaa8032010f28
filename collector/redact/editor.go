package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"

	"github.com/waybill-dev/waybill/collector/wire"
)

// maxVerdicts bounds the keys that an editor remembers.
const maxVerdicts = 4096

// verdict is what the rules say about a key.
type verdict struct {
	// whole decides over the value, whatever it holds; nil if no rule does.
	whole *rule
	// patterns are looked for in the value's texts.
	patterns []*rule
}

// editor applies rules to one request after the other. It is a wire.Editor,
// used by one goroutine at a time.
type editor struct {
	rules    *ruleset
	edits    wire.Edits
	mac      hash.Hash
	verdicts map[string]verdict
	// asked is the key that was asked about last, answered its verdict: the text
	// that comes next is mostly its value. It is told by where it lies.
	asked    []byte
	answered verdict
	counts   []int // what was redacted of the request, by rule
	found    []span
	scratch  [2][]byte
}

func newEditor(rules *ruleset) *editor {
	return &editor{
		rules:    rules,
		mac:      hmac.New(sha256.New, []byte(rules.hashKey)),
		verdicts: map[string]verdict{},
		counts:   make([]int, len(rules.all)),
	}
}

// forget lets go of the request. Its memory will hold another one, with other
// keys in the same places.
func (e *editor) forget() {
	e.edits.Forget()
	e.asked, e.answered = nil, verdict{}
	clear(e.counts)
}

// verdict is valid until the next call.
func (e *editor) verdict(key []byte) *verdict {
	if len(key) == len(e.asked) && len(key) > 0 && &key[0] == &e.asked[0] {
		return &e.answered
	}
	v, ok := e.verdicts[string(key)]
	if !ok {
		v = e.rules.verdict(key)
		if len(e.verdicts) >= maxVerdicts {
			clear(e.verdicts)
		}
		e.verdicts[string(key)] = v
	}
	e.asked, e.answered = key, v
	return &e.answered
}

// Entry implements wire.Editor.
func (e *editor) Entry(dst, key []byte, value wire.Value) ([]byte, wire.Decision) {
	v := e.verdict(key)
	switch r := v.whole; {
	case r == nil:
		return dst, wire.Look
	case r.action == Keep || r.spares(value):
		return dst, wire.Leave
	case r.action == Drop:
		e.counts[r.index]++
		return dst, wire.Remove
	default:
		e.counts[r.index]++
		return r.substitute(dst, r.text(value), e.mac), wire.Replace
	}
}

// Text implements wire.Editor.
func (e *editor) Text(dst []byte, keys [][]byte, text []byte) ([]byte, wire.Decision) {
	now, turn := text, 0
	has := classesOf(text)
	for _, r := range e.patterns(keys) {
		if r.needs != 0 && r.needs&has == 0 {
			continue
		}
		if e.found = r.find(e.found[:0], now); len(e.found) == 0 {
			continue
		}
		e.counts[r.index] += len(e.found)
		if r.action == Drop {
			return dst, wire.Remove
		}
		out, at := e.scratch[turn][:0], 0
		for _, part := range e.found {
			out = append(out, now[at:part.start]...)
			out = r.substitute(out, now[part.start:part.end], e.mac)
			at = part.end
		}
		out = append(out, now[at:]...)
		e.scratch[turn], now, turn = out, out, 1-turn
	}
	if len(now) == len(text) && (len(text) == 0 || &now[0] == &text[0]) {
		return dst, wire.Look
	}
	return append(dst, now...), wire.Replace
}

// patterns are what is looked for in a text under these keys.
func (e *editor) patterns(keys [][]byte) []*rule {
	switch len(keys) {
	case 0:
		return e.rules.anywhere
	case 1:
		return e.verdict(keys[0]).patterns
	}
	return e.rules.under(keys)
}
