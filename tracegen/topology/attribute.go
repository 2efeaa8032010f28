package topology

import "strings"

// Attribute is a name with a value, which is the same in every span, or drawn.
type Attribute struct {
	Key   string
	Value Value
}

// Value is a constant, or says how to draw one.
type Value struct {
	// Constant is a string, an int64, a float64 or a bool; nil where the value
	// is drawn.
	Constant any
	// Prefix and Suffix stand around what Pattern draws.
	Pattern        Pattern
	Prefix, Suffix string
	// Cardinality is how many different values there are; 0 is no bound.
	Cardinality uint64
	// OneOf are the values of which one is drawn.
	OneOf []any
	// Low and High bound what PatternInt draws; both are possible.
	Low, High int64
	// PerSpan draws for each span; otherwise one is drawn for each trace, and
	// all attributes that are written alike have it.
	PerSpan bool
}

// Pattern is how a value is drawn.
type Pattern uint8

// The patterns.
const (
	// PatternNone is a constant.
	PatternNone Pattern = iota
	// PatternNumber is a text with a decimal number.
	PatternNumber
	// PatternID is a text with twenty letters and digits.
	PatternID
	// PatternOneOf is one of a list.
	PatternOneOf
	// PatternInt is an integer.
	PatternInt
)

// The places in a pattern that are filled in.
const (
	numberPlace = "{n}"
	idPlace     = "{id}"
)

// pattern takes a text with a place apart; ok says that it has one.
func pattern(text string) (v Value, ok bool) {
	for place, p := range map[string]Pattern{numberPlace: PatternNumber, idPlace: PatternID} {
		if prefix, suffix, found := strings.Cut(text, place); found {
			return Value{Pattern: p, Prefix: prefix, Suffix: suffix}, true
		}
	}
	return Value{}, false
}

// Text is a constant text.
func Text(key, value string) Attribute { return Attribute{key, Value{Constant: value}} }
