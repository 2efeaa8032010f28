package derive

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waybill-dev/waybill/collector/wire"
)

// Rule describes spans. All that it gives must fit; a * at the end of a name
// stands for any rest.
type Rule struct {
	Service  string `yaml:"service"`
	SpanName string `yaml:"span_name"`
	// Kind is internal, server, client, producer, consumer or unspecified.
	Kind string `yaml:"kind"`
}

// kindNames are the kinds of spans as rules have them, by number.
func kindNames() []string {
	return []string{"unspecified", "internal", "server", "client", "producer", "consumer"}
}

func (r Rule) validate(key string) error {
	if r == (Rule{}) {
		return fmt.Errorf("%s: want service, span_name or kind", key)
	}
	if r.Kind != "" && !slices.Contains(kindNames(), r.Kind) {
		return fmt.Errorf("%s.kind: %q: want one of %s", key, r.Kind, strings.Join(kindNames(), ", "))
	}
	return nil
}

// rule is a Rule made ready to be asked for each span.
type rule struct {
	service, name pattern
	kind          int // -1: any
}

func newRules(rules []Rule) []rule {
	made := make([]rule, len(rules))
	for i, r := range rules {
		made[i] = rule{service: newPattern(r.Service), name: newPattern(r.SpanName), kind: slices.Index(kindNames(), r.Kind)}
	}
	return made
}

// holds says whether the rule fits a span of the given service.
func (r *rule) holds(service string, s *wire.Span) bool {
	return (r.kind < 0 || r.kind == int(kindOf(s.Kind))) && r.service.fits(service) && r.name.fits(string(s.Name))
}

// pattern is a text, or how a text begins.
type pattern struct {
	text  string
	begin bool
}

func newPattern(text string) pattern {
	if text == "" {
		return pattern{begin: true}
	}
	prefix, begin := strings.CutSuffix(text, "*")
	return pattern{text: prefix, begin: begin}
}

func (p *pattern) fits(text string) bool {
	return text == p.text || p.begin && strings.HasPrefix(text, p.text)
}
