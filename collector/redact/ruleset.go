package redact

import (
	"slices"
	"sync"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

const (
	// maxIdle bounds the editors that are kept for the next request.
	maxIdle = 16
	// maxIdleBytes is the request from which on an editor, which grows with
	// what it changes, is not kept.
	maxIdleBytes = 4 << 20
)

// ruleset is a configuration that can be applied. It is safe for concurrent
// use.
type ruleset struct {
	all      []*rule
	anywhere []*rule // those with a pattern and without a key
	metrics  bool
	hashKey  Key

	mu   sync.Mutex
	idle []*editor
}

func newRuleset(cfg Config) *ruleset {
	s := &ruleset{metrics: cfg.Metrics, hashKey: cfg.HashKey}
	for _, c := range cfg.Rules {
		s.all = append(s.all, newRule(c))
	}
	if cfg.Defaults {
		s.all = append(s.all, defaultRules()...)
	}
	for i, r := range s.all {
		r.index = i
		if len(r.keys) == 0 {
			s.anywhere = append(s.anywhere, r)
		}
	}
	return s
}

// covers says whether the rules are for that signal.
func (s *ruleset) covers(signal journal.Signal) bool {
	return s != nil && len(s.all) > 0 && (signal != journal.Metrics || s.metrics)
}

// verdict is what the rules say about a key: the first rule without a pattern
// decides, and where there is none, all patterns are looked for.
func (s *ruleset) verdict(key []byte) verdict {
	var v verdict
	for _, r := range s.all {
		switch {
		case !r.matches(key):
		case r.find != nil:
			v.patterns = append(v.patterns, r)
		default:
			return verdict{whole: r}
		}
	}
	return v
}

// under has the patterns for a text inside several entries: those of each.
func (s *ruleset) under(keys [][]byte) []*rule {
	var patterns []*rule
	for _, r := range s.all {
		if r.find != nil && slices.ContainsFunc(keys, r.matches) {
			patterns = append(patterns, r)
		}
	}
	return patterns
}

func (s *ruleset) take() *editor {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.idle) - 1
	if last < 0 {
		return newEditor(s)
	}
	e := s.idle[last]
	s.idle = s.idle[:last]
	return e
}

func (s *ruleset) give(e *editor) {
	large := e.edits.Size() > maxIdleBytes
	e.forget()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !large && len(s.idle) < maxIdle {
		s.idle = append(s.idle, e)
	}
}

// apply goes through a request; what changes is in the edits.
func (e *editor) apply(signal journal.Signal, payload []byte) error {
	switch signal {
	case journal.Metrics:
		return e.edits.Points(payload, e)
	case journal.Logs:
		return e.edits.Logs(payload, e)
	default:
		return e.edits.Spans(payload, e)
	}
}

var _ wire.Editor = (*editor)(nil)
