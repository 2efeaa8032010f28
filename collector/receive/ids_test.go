package receive

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
)

// spansAsJSON is a request as OTLP's JSON has it: protobuf's, with hex ids.
func spansAsJSON(t testing.TB, m proto.Message, letters func(string) string) []byte {
	t.Helper()
	text, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	ids := regexp.MustCompile(`("(?:traceId|spanId|parentSpanId)": ?)"([^"]*)"`)
	return ids.ReplaceAllFunc(text, func(found []byte) []byte {
		parts := ids.FindSubmatch(found)
		raw, err := base64.StdEncoding.DecodeString(string(parts[2]))
		if err != nil {
			t.Fatal(err)
		}
		return append(parts[1], `"`+letters(hex.EncodeToString(raw))+`"`...)
	})
}

func TestRewriteIDs(t *testing.T) {
	span := func(inner string) string { return `{"resourceSpans":[{"scopeSpans":[{"spans":[` + inner + `]}]}]}` }
	point := func(kind, inner string) string {
		return `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"` + kind + `":{"dataPoints":[{"exemplars":[` + inner + `]}]}}]}]}]}`
	}
	record := func(inner string) string {
		return `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + inner + `]}]}]}`
	}
	const hexIDs, ids = `{"traceId":"00FF","spanId":"ab"}`, `{"traceId":"AP8=","spanId":"qw=="}`
	tests := []struct {
		name     string
		schema   *idSchema
		in, want string
	}{
		{"span", spanIDs(), span(`{"traceId":"00ff","spanId":"Ab","parentSpanId":"cD"}`), span(`{"traceId":"AP8=","spanId":"qw==","parentSpanId":"zQ=="}`)},
		{"no parent", spanIDs(), span(`{"parentSpanId":""}`), span(`{"parentSpanId":""}`)},
		{"names as in the .proto files", spanIDs(), `{"resource_spans":[{"scope_spans":[{"spans":[{"trace_id":"00"}]}]}]}`, `{"resource_spans":[{"scope_spans":[{"spans":[{"trace_id":"AA=="}]}]}]}`},
		{"an escaped name", spanIDs(), span(`{"trace\u0049d":"00"}`), span(`{"trace\u0049d":"AA=="}`)},
		{"an escaped id", spanIDs(), span(`{"traceId":"\u0030\u0030"}`), span(`{"traceId":"AA=="}`)},
		{"white space", spanIDs(), " \n" + span(" { \t\"traceId\" :\r\n \"00\" , \"name\" : \"n\" } ") + " ", " \n" + span(" { \t\"traceId\" :\r\n \"AA==\" , \"name\" : \"n\" } ") + " "},
		{"two spans", spanIDs(), span(hexIDs + "," + hexIDs), span(ids + "," + ids)},
		{"links", spanIDs(), span(`{"links":[` + hexIDs + `]}`), span(`{"links":[` + ids + `]}`)},
		{"not in events", spanIDs(), span(`{"events":[` + hexIDs + `]}`), span(`{"events":[` + hexIDs + `]}`)},
		{"not in attributes", spanIDs(), span(`{"attributes":[{"key":"traceId","value":{"traceId":"00"}}]}`), span(`{"attributes":[{"key":"traceId","value":{"traceId":"00"}}]}`)},
		{"not elsewhere", spanIDs(), `{"traceId":"00","resourceSpans":[{"traceId":"00"}]}`, `{"traceId":"00","resourceSpans":[{"traceId":"00"}]}`},
		{"not where the value is no string", spanIDs(), span(`{"traceId":null,"spanId":[{"traceId":"x"}]}`), span(`{"traceId":null,"spanId":[{"traceId":"x"}]}`)},
		{"quotes and brackets in strings", spanIDs(), span(`{"name":"\"]}\\","traceId":"00"}`), span(`{"name":"\"]}\\","traceId":"AA=="}`)},
		{"empty", spanIDs(), `{"resourceSpans":[{"scopeSpans":[]},{}]}`, `{"resourceSpans":[{"scopeSpans":[]},{}]}`},
		{"log record", logIDs(), record(hexIDs), record(ids)},
		{"gauge", metricIDs(), point("gauge", hexIDs), point("gauge", ids)},
		{"sum", metricIDs(), point("sum", hexIDs), point("sum", ids)},
		{"histogram", metricIDs(), point("histogram", hexIDs), point("histogram", ids)},
		{"exponential histogram", metricIDs(), point("exponential_histogram", hexIDs), point("exponential_histogram", ids)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := rewriteIDs([]byte(test.in), test.schema)
			if err != nil || string(got) != test.want {
				t.Errorf("rewriteIDs = %s, %v; want %s", got, err, test.want)
			}
		})
	}
}

func TestRewriteIDsRefuses(t *testing.T) {
	open := `{"resourceSpans":[{"scopeSpans":[{"spans":[`
	for name, text := range map[string]string{
		"nothing":                 "",
		"a string without an end": `{"resourceSpans`,
		"no value":                `{"resourceSpans":}`,
		"no colon":                `{"resourceSpans" []}`,
		"no comma":                `{"resourceSpans":[] "x":1}`,
		"a wrong end":             `{"resourceSpans":[}`,
		"an end too many":         `]`,
		"a name that is none":     `{1:2}`,
		"an odd id":               open + `{"traceId":"000"}]}]}]}`,
		"an id that is not hex":   open + `{"traceId":"0g"}]}]}]}`,
		"an id with a bad escape": open + `{"traceId":"\x"}]}]}]}`,
		"the end in an escape":    open + `{"traceId":"\`,
		"a zero byte":             "{\x00}",
	} {
		if got, err := rewriteIDs([]byte(text), spanIDs()); !errors.Is(err, errJSON) {
			t.Errorf("%s: rewriteIDs = %s, %v; want an error", name, got, err)
		}
	}
}

func TestDeepJSONCostsNoStack(t *testing.T) {
	const deep = 1 << 20
	for _, text := range []string{`{"resourceSpans":` + strings.Repeat("[", deep), strings.Repeat(`{"a":`, deep)} {
		if _, err := rewriteIDs([]byte(text), spanIDs()); !errors.Is(err, errJSON) {
			t.Errorf("%.20s…: %v, want an error", text, err)
		}
	}
	closed := strings.Repeat("[", deep) + strings.Repeat("]", deep)
	if _, err := rewriteIDs([]byte(closed), spanIDs()); err != nil {
		t.Error(err)
	}
	if _, err := testIntake(t, testConfig(), nil).fromJSON(testLease(t), journal.Traces, []byte(closed)); err == nil {
		t.Error("nested arrays were taken for a request")
	}
}
