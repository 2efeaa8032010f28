package loki

import (
	"fmt"
	"strconv"
	"strings"
)

// parseLabels reads a stream's labels as Loki's clients write them, which is
// how they stand in a query: {job="shop", level="info"}.
func parseLabels(text string) ([]label, error) {
	p := parser{text: text}
	if !p.take('{') {
		return nil, p.fail("want {")
	}
	var labels []label
	for !p.take('}') {
		if len(labels) > 0 && !p.take(',') {
			return nil, p.fail("want a comma or }")
		}
		if len(labels) > 0 && p.take('}') {
			break // a comma after the last
		}
		l, err := p.label()
		if err != nil {
			return nil, err
		}
		labels = append(labels, l)
	}
	if p.space(); p.pos < len(text) {
		return nil, p.fail("want the end")
	}
	return labels, nil
}

// parser reads a text from its start.
type parser struct {
	text string
	pos  int
}

func (p *parser) fail(want string) error {
	return fmt.Errorf("labels %.80q: %s at byte %d", p.text, want, p.pos)
}

func (p *parser) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// take passes a byte if it is the next.
func (p *parser) take(c byte) bool {
	if p.space(); p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *parser) label() (label, error) {
	name, err := p.name()
	if err != nil {
		return label{}, err
	}
	if !p.take('=') {
		return label{}, p.fail("want =")
	}
	value, err := p.quoted()
	return label{name, value}, err
}

// name is a word, or quoted when it has other characters.
func (p *parser) name() (string, error) {
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == '"' {
		return p.quoted()
	}
	start := p.pos
	for p.pos < len(p.text) && isWord(p.text[p.pos]) {
		p.pos++
	}
	if p.pos == start {
		return "", p.fail("want a name")
	}
	return p.text[start:p.pos], nil
}

func isWord(c byte) bool {
	return c == '_' || c == ':' || c == '.' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// quoted is a string in double quotes or backticks, as in Go.
func (p *parser) quoted() (string, error) {
	p.space()
	prefix, err := strconv.QuotedPrefix(p.text[p.pos:])
	if err != nil || prefix[0] == '\'' {
		return "", p.fail("want a quoted string")
	}
	value, err := strconv.Unquote(prefix)
	if err != nil {
		return "", p.fail("want a quoted string")
	}
	p.pos += len(prefix)
	return value, nil
}
