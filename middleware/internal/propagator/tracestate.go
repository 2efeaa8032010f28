package propagator

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// The bounds of a tracestate (Trace Context level 2, section 3.3.1.3).
const (
	maxMembers   = 32
	maxKeyLength = 256
	maxValueSize = 256
)

// foreignState is a tracestate that is valid by level 2, but that OpenTelemetry's
// TraceState, which knows the keys of level 1, does not take. It is passed on
// beside the span context of its trace.
type foreignState struct {
	traceID trace.TraceID
	text    string
}

// foreignKey finds the foreignState of a context.
type foreignKey struct{}

// parseState reads the tracestate of a trace in one of the two ways.
func parseState(text string, traceID trace.TraceID) (state trace.TraceState, foreign *foreignState) {
	state, err := trace.ParseTraceState(text)
	if err == nil {
		return state, nil
	}
	if text, valid := level2(text); valid {
		return trace.TraceState{}, &foreignState{traceID, text}
	}
	return trace.TraceState{}, nil
}

// level2 checks a tracestate by the grammar of level 2, and gives it without
// what means nothing.
func level2(text string) (string, bool) {
	var members []string
	keys := map[string]bool{}
	for member := range strings.SplitSeq(text, ",") {
		member = strings.Trim(member, " \t")
		if member == "" {
			continue
		}
		key, value, found := strings.Cut(member, "=")
		if !found || !validKey(key) || !validValue(value) || keys[key] || len(members) == maxMembers {
			return "", false
		}
		keys[key] = true
		members = append(members, member)
	}
	return strings.Join(members, ","), len(members) > 0
}

// validKey says whether it is a key:
//
//	key = ( lcalpha / DIGIT ) 0*255 ( lcalpha / DIGIT / "_" / "-" / "*" / "/" / "@" )
func validKey(key string) bool {
	if key == "" || len(key) > maxKeyLength || strings.IndexByte("_-*/@", key[0]) >= 0 {
		return false
	}
	for i := range len(key) {
		c := key[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && strings.IndexByte("_-*/@", c) < 0 {
			return false
		}
	}
	return true
}

// validValue says whether it is a value: printable ASCII but comma and equals,
// not ending with a space, and not empty.
func validValue(value string) bool {
	if value == "" || len(value) > maxValueSize || value[len(value)-1] == ' ' {
		return false
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '=' || c == ',' {
			return false
		}
	}
	return true
}

// injectState passes on the state of a span's trace: first what is told here,
// as by a sampler, and then what has come and can't be told so.
func injectState(ctx context.Context, carrier propagation.TextMapCarrier, sc trace.SpanContext) {
	text := ""
	if state := sc.TraceState(); state.Len() > 0 {
		text = state.String()
	}
	if foreign, has := ctx.Value(foreignKey{}).(*foreignState); has && foreign.traceID == sc.TraceID() {
		text = joined(text, foreign.text)
	}
	if text != "" {
		carrier.Set("tracestate", text)
	}
}

// joined leaves out of the later list the keys that the earlier has, and its
// last members if they are too many together.
func joined(earlier, later string) string {
	if earlier == "" {
		return later
	}
	members := strings.Split(earlier, ",")
	known := map[string]bool{}
	for _, member := range members {
		key, _, _ := strings.Cut(member, "=")
		known[key] = true
	}
	for member := range strings.SplitSeq(later, ",") {
		if key, _, _ := strings.Cut(member, "="); !known[key] && len(members) < maxMembers {
			members = append(members, member)
		}
	}
	return strings.Join(members, ",")
}
