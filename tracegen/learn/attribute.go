package learn

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
)

// attributes are the values that keys had, in all spans of an operation.
type attributes struct {
	spans  int
	order  []string
	values map[string]*values
}

// mostValues bounds how many different values of a key are looked at, and
// mostChoices how many are written down one by one.
const (
	mostValues  = 5000
	mostChoices = 12
)

// values are what one key had.
type values struct {
	n       int
	kind    string // of all; "mixed" where they differ
	counts  map[string]int
	low     int64
	high    int64
	dropped bool // no topology can have it
}

func (a *attributes) add(pairs []*commonpb.KeyValue) {
	a.spans++
	if a.values == nil {
		a.values = map[string]*values{}
	}
	for _, pair := range pairs {
		v := a.values[pair.GetKey()]
		if v == nil {
			v = &values{counts: map[string]int{}, low: math.MaxInt64, high: math.MinInt64}
			a.values[pair.GetKey()] = v
			a.order = append(a.order, pair.GetKey())
		}
		v.add(pair.GetValue())
	}
}

func (v *values) add(value *commonpb.AnyValue) {
	v.n++
	kind, text := "text", ""
	switch of := value.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		text = strconv.Quote(strings.ToValidUTF8(of.StringValue, "\uFFFD"))
	case *commonpb.AnyValue_BoolValue:
		kind, text = "bool", strconv.FormatBool(of.BoolValue)
	case *commonpb.AnyValue_IntValue:
		kind, text = "int", strconv.FormatInt(of.IntValue, 10)
		v.low, v.high = min(v.low, of.IntValue), max(v.high, of.IntValue)
	case *commonpb.AnyValue_DoubleValue:
		kind, text = "double", number(of.DoubleValue)
	default:
		v.dropped = true
		return
	}
	if v.kind == "" {
		v.kind = kind
	} else if v.kind != kind {
		v.kind = "mixed"
	}
	if _, known := v.counts[text]; known || len(v.counts) < mostValues {
		v.counts[text]++
	}
}

// number writes a float so that it is none but a float.
func number(f float64) string {
	switch {
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	}
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, ".") {
		mantissa, exponent, _ := strings.Cut(text, "e")
		text = mantissa + ".0"
		if exponent != "" {
			text += "e" + exponent
		}
	}
	return text
}

// write writes those that at least half of the spans have. Dropped collects
// the keys that are left out because of their type.
func (a *attributes) write(dropped map[string]bool) []string {
	var parts []string
	for _, key := range a.order {
		v := a.values[key]
		if v.dropped {
			dropped[key] = true
			continue
		}
		if 2*v.n >= a.spans {
			parts = append(parts, strconv.Quote(key)+": "+v.write())
		}
	}
	return parts
}

// write writes a constant, or how to draw a value like those.
func (v *values) write() string {
	texts := slices.Sorted(maps.Keys(v.counts))
	switch {
	case len(texts) == 1:
		return texts[0]
	case v.kind == "int" && v.low >= math.MinInt32 && v.high <= math.MaxInt32 && len(texts) > 2:
		return fmt.Sprintf("{int: [%d, %d], per: span}", v.low, v.high)
	case v.kind == "text" && len(texts) > mostChoices:
		prefix := commonPrefix(texts)
		return fmt.Sprintf("{pattern: %s, cardinality: %d}", strconv.Quote(prefix+"{id}"), len(texts))
	}
	slices.SortFunc(texts, func(a, b string) int { return v.counts[b] - v.counts[a] })
	return "{one_of: [" + strings.Join(texts[:min(len(texts), mostChoices)], ", ") + "], per: span}"
}

// commonPrefix is what all quoted texts begin with, up to what a pattern would
// take for a place.
func commonPrefix(quoted []string) string {
	prefix, err := strconv.Unquote(quoted[0])
	if err != nil {
		return ""
	}
	for _, q := range quoted[1:] {
		text, err := strconv.Unquote(q)
		if err != nil {
			return ""
		}
		for !strings.HasPrefix(text, prefix) {
			prefix = prefix[:len(prefix)-1]
		}
	}
	prefix, _, _ = strings.Cut(strings.ToValidUTF8(prefix, ""), "{")
	return prefix
}
