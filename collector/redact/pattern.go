package redact

import (
	"bytes"
	"regexp"
	"regexp/syntax"
)

// pattern finds what a regular expression means. Most texts are spared it: they
// do not have a literal that every match has.
func pattern(expression string) finder {
	re := regexp.MustCompile(expression)
	group := min(re.NumSubexp(), 1)
	need := []byte(literalOf(expression))
	return func(dst []span, text []byte) []span {
		if !bytes.Contains(text, need) {
			return dst
		}
		for _, at := range re.FindAllSubmatchIndex(text, -1) {
			found := span{at[2*group], at[2*group+1]}
			if found.start < 0 { // The group is not in this match.
				found = span{at[0], at[1]}
			}
			if found.start < found.end {
				dst = append(dst, found)
			}
		}
		return dst
	}
}

// literalOf is the longest text that every match has; empty if none is known.
func literalOf(expression string) string {
	re, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		return ""
	}
	return literal(re.Simplify())
}

func literal(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return string(re.Rune)
		}
	case syntax.OpCapture, syntax.OpPlus:
		return literal(re.Sub[0])
	case syntax.OpConcat:
		longest := ""
		for _, sub := range re.Sub {
			if l := literal(sub); len(l) > len(longest) {
				longest = l
			}
		}
		return longest
	}
	return ""
}
