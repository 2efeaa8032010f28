package loki

import (
	"bytes"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/google/go-cmp/cmp"
	"github.com/grafana/loki/pkg/push"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/waybill-dev/waybill/collector/wire"
)

// unlimited admits everything.
func unlimited(int64) error { return nil }

// at is when the first line of shopRequest was written.
func at() time.Time { return time.Unix(1_790_000_000, 123_456_789).UTC() }

// shopRequest has two lines of one stream.
func shopRequest() *push.PushRequest {
	return &push.PushRequest{Streams: []push.Stream{{
		Labels: `{job="shop", level="info", path="C:\\logs \"x\""}`,
		Entries: []push.Entry{
			{Timestamp: at(), Line: "order placed", StructuredMetadata: push.LabelsAdapter{
				{Name: "order", Value: "7"}, {Name: "span_id", Value: "1112131415161718"}, {Name: "trace_id", Value: "0102030405060708090a0b0c0d0e0f10"},
			}},
			{Timestamp: at().Add(time.Millisecond), Line: "paid"},
		},
	}}}
}

func text(key, value string) *common.KeyValue {
	return &common.KeyValue{Key: key, Value: stringValue(value)}
}

func stringValue(value string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: value}}
}

func wantShop(tenant ...*common.KeyValue) *collogs.ExportLogsServiceRequest {
	attributes := []*common.KeyValue{text("job", "shop"), text("level", "info"), text("path", `C:\logs "x"`)}
	attributes = append(append(attributes, tenant...), text("service.name", "shop"))
	return &collogs.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource: &resource.Resource{Attributes: attributes},
		ScopeLogs: []*logs.ScopeLogs{{Scope: &common.InstrumentationScope{}, LogRecords: []*logs.LogRecord{
			{
				TimeUnixNano: uint64(at().UnixNano()), Body: stringValue("order placed"), Attributes: []*common.KeyValue{text("order", "7")},
				TraceId: []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
				SpanId:  []byte{0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18},
			},
			{TimeUnixNano: uint64(at().UnixNano()) + 1e6, Body: stringValue("paid")},
		}}},
	}}}
}

func snappyOf(t testing.TB, request *push.PushRequest) []byte {
	t.Helper()
	raw, err := request.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, raw)
}

const (
	shopJSON = `{"streams":[{"stream":{"level":"info","job":"shop","path":"C:\\logs \"x\""},"values":[
		["1790000000123456789","order placed",{"order":"7","trace_id":"0102030405060708090a0b0c0d0e0f10","span_id":"1112131415161718"}],
		["1790000000124456789","paid"]]}]}`
	shopLegacyJSON = `{"streams":[{"labels":"{job=\"shop\", level=\"info\", path=\"C:\\\\logs \\\"x\\\"\"}","entries":[
		{"ts":"2026-09-21T14:13:20.123456789Z","line":"order placed",
		 "structuredMetadata":{"order":"7","trace_id":"0102030405060708090a0b0c0d0e0f10","span_id":"1112131415161718"}},
		{"ts":"2026-09-21T16:13:20.124456789+02:00","line":"paid"}]}]}`
)

// decode checks what came out as the receiver will, and reads it.
func decode(t testing.TB, otlp []byte) *collogs.ExportLogsServiceRequest {
	t.Helper()
	if _, err := wire.CountLogs(otlp); err != nil {
		t.Fatalf("the receiver would refuse it: %v", err)
	}
	var request collogs.ExportLogsServiceRequest
	if err := proto.Unmarshal(otlp, &request); err != nil {
		t.Fatal(err)
	}
	return &request
}

func TestPushedLogsBecomeOTLP(t *testing.T) {
	tests := map[string]struct {
		payload   []byte
		translate func(payload []byte, tenant string, admit func(int64) error) ([]byte, error)
	}{
		"snappy":      {snappyOf(t, shopRequest()), FromSnappy},
		"JSON":        {[]byte(shopJSON), FromJSON},
		"legacy JSON": {[]byte(shopLegacyJSON), FromJSON},
	}
	for name, test := range tests {
		before := bytes.Clone(test.payload)
		otlp, err := test.translate(test.payload, "", unlimited)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(wantShop(), decode(t, otlp), protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if otlp, err = test.translate(test.payload, "team-a", unlimited); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(wantShop(text(TenantKey, "team-a")), decode(t, otlp), protocmp.Transform()); diff != "" {
			t.Errorf("%s, of a tenant: %s", name, diff)
		}
		if !bytes.Equal(test.payload, before) {
			t.Errorf("%s: the payload was changed", name)
		}
	}
}

func TestParseLabels(t *testing.T) {
	f := func(text string, want ...label) {
		t.Helper()
		got, err := parseLabels(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(label{})); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	f(`{}`)
	f(` { } `)
	f(`{a="1"}`, label{"a", "1"})
	f(`{a="1",b="",}`, label{"a", "1"}, label{"b", ""})
	f(" {a = `1\\` , b.c:d_9=\"\\u00e9\\n}\"} ", label{"a", `1\`}, label{"b.c:d_9", "é\n}"})
	f(`{"a key"="1"}`, label{"a key", "1"})
	for _, text := range []string{
		"", "a", "{", "{a", "{a=", "{a=}", `{a="1}`, `{a="1"`, `{a="1" b="2"}`, `{a="1"}}`, `{a='1'}`, `{a=1}`, `{="1"}`, `{,}`, `{a="1",,}`, `{a="\q"}`, `{é="1"}`,
	} {
		if got, err := parseLabels(text); err == nil {
			t.Errorf("%s: %v, want an error", text, got)
		}
	}
}

func TestServiceName(t *testing.T) {
	f := func(labels, want string) {
		t.Helper()
		request := &push.PushRequest{Streams: []push.Stream{{Labels: labels, Entries: []push.Entry{{Timestamp: at()}}}}}
		otlp, err := FromSnappy(snappyOf(t, request), "", unlimited)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, a := range decode(t, otlp).ResourceLogs[0].Resource.Attributes {
			if a.Key == "service.name" {
				got = a.Value.GetStringValue()
			}
		}
		if got != want {
			t.Errorf("%s is of service %q, want %q", labels, got, want)
		}
	}
	f(`{job="a", app="b", service_name="c"}`, "c")
	f(`{job="a", app="b"}`, "b")
	f(`{job="a", app=""}`, "a")
	f(`{"service.name"="d", app="b"}`, "d")
	f(`{level="info"}`, "")
}

func TestTextIsMendedAndIDsChecked(t *testing.T) {
	request := shopRequest()
	request.Streams[0].Labels = "{job=\"a\xff\"}"
	request.Streams[0].Entries[0].Line = "\xffline"
	request.Streams[0].Entries[0].StructuredMetadata = push.LabelsAdapter{
		{Name: "k\xff", Value: "\xffv"}, {Name: "trace_id", Value: "none"}, {Name: "span_id", Value: "0000000000000000"},
	}
	otlp, err := FromSnappy(snappyOf(t, request), "t\xff", unlimited)
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, otlp).ResourceLogs[0].ScopeLogs[0].LogRecords[0]
	want := []*common.KeyValue{text("k\uFFFD", "\uFFFDv"), text("trace_id", "none"), text("span_id", "0000000000000000")}
	if diff := cmp.Diff(want, got.Attributes, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if len(got.TraceId)+len(got.SpanId) > 0 || got.Body.GetStringValue() != "\uFFFDline" {
		t.Errorf("record %v", got)
	}
}

func TestMalformed(t *testing.T) {
	badLabels := shopRequest()
	badLabels.Streams[0].Labels = "{job}"
	plain, err := shopRequest().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, payload := range map[string][]byte{
		"nothing": nil, "no snappy": plain, "labels": snappyOf(t, badLabels), "no protobuf": snappy.Encode(nil, []byte("\x0a\xff")),
		"cut off": snappyOf(t, shopRequest())[:50], "a length that lies": {0xff, 0xff, 0xff, 0xff, 0x0f, 0}, "a time": snappy.Encode(nil, []byte("\x0a\x09\x12\x07\x0a\x05\x10\xff\xff\xff\x7f")),
	} {
		if _, err := FromSnappy(payload, "", unlimited); err == nil {
			t.Errorf("snappy, %s: no error", name)
		}
	}
	value := func(v string) string { return `{"streams":[{"stream":{},"values":[` + v + `]}]}` }
	for _, payload := range []string{
		"", "[]", `{"streams":{}}`, `{"streams":[{"stream":{"a":1}}]}`, `{"streams":[{}]}`, `{"streams":[{"labels":"a"}]}`, value("1"), value("[]"),
		value(`["1"]`), value(`[1,"line"]`), value(`["x","line"]`), value(`["1",2]`), value(`["1","line",[]]`), value(`["1","line",{"a":1}]`), value(`["1","line",{},4]`),
	} {
		if _, err := FromJSON([]byte(payload), "", unlimited); err == nil {
			t.Errorf("JSON %s: no error", payload)
		}
	}
	if _, err := FromJSON([]byte("{}"), "", unlimited); err != nil {
		t.Errorf("no streams: %v", err)
	}
}

func TestNothingIsDecodedThatIsNotAdmitted(t *testing.T) {
	full := errors.New("no room")
	refuse := func(int64) error { return full }
	if _, err := FromJSON([]byte(shopJSON), "", refuse); !errors.Is(err, full) {
		t.Errorf("JSON: error %v, want the refusal", err)
	}
	for allowed := range 2 {
		asked := 0
		_, err := FromSnappy(snappyOf(t, shopRequest()), "", func(int64) error {
			if asked++; asked > allowed {
				return full
			}
			return nil
		})
		if !errors.Is(err, full) {
			t.Errorf("snappy: error %v after %d questions, want the refusal", err, asked)
		}
	}
}

// allocated is how many bytes f allocates, garbage included.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// TestManySmallThings: what is as small as it can be takes no more than was
// admitted, and neither does a bomb.
func TestManySmallThings(t *testing.T) {
	repeat := func(n int, element string) string { return strings.TrimSuffix(strings.Repeat(element+",", n), ",") }
	texts := map[string]string{
		"streams":   `{"streams":[` + repeat(20_000, `{"stream":{}}`) + "]}",
		"values":    `{"streams":[{"stream":{},"values":[` + repeat(20_000, `["1",""]`) + "]}]}",
		"entries":   `{"streams":[{"labels":"{}","entries":[` + repeat(20_000, "{}") + "]}]}",
		"metadata":  `{"streams":[{"stream":{},"values":[` + repeat(20_000, `["1","",{}]`) + "]}]}",
		"long list": `{"streams":[{"stream":{},"values":[[` + repeat(100_000, "0") + "]]}]}",
	}
	tests := map[string]func(admit func(int64) error) error{}
	for name, text := range texts {
		if !json.Valid([]byte(text)) {
			t.Fatalf("%s: the test's JSON is malformed", name)
		}
		tests[name] = func(admit func(int64) error) error {
			_, err := FromJSON([]byte(text), "", admit)
			return err
		}
	}
	for name, raw := range map[string]string{
		"snappy, streams":  strings.Repeat("\x0a\x04\x0a\x02{}", 20_000),
		"snappy, nothings": strings.Repeat("\x0a\x00", 100_000),
		"snappy, entries":  "\x0a\xc4\xb8\x02\x0a\x02{}" + strings.Repeat("\x12\x00", 20_000),
		"snappy, zeros":    strings.Repeat("\x00", 8<<20),
	} {
		payload := snappy.Encode(nil, []byte(raw))
		tests[name] = func(admit func(int64) error) error {
			_, err := FromSnappy(payload, "", admit)
			return err
		}
	}
	for name, translate := range tests {
		var admitted int64
		var err error
		grown := allocated(func() {
			err = translate(func(n int64) error {
				admitted += n
				return nil
			})
		})
		if grown > admitted+64<<10 {
			t.Errorf("%s: allocated %d bytes, %d were admitted (%v)", name, grown, admitted, err)
		}
	}
}

func FuzzSnappy(f *testing.F) {
	raw, err := shopRequest().Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, true)
	f.Add(snappyOf(f, shopRequest()), false)
	f.Fuzz(func(t *testing.T, payload []byte, compress bool) {
		if compress {
			payload = snappy.Encode(nil, payload)
		}
		checkTranslation(t, payload, FromSnappy)
	})
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(shopJSON))
	f.Add([]byte(shopLegacyJSON))
	f.Fuzz(func(t *testing.T, payload []byte) { checkTranslation(t, payload, FromJSON) })
}

// checkTranslation: nothing panics, the payload stays as it is, and what comes
// out is what the receiver takes.
func checkTranslation(t *testing.T, payload []byte, translate func([]byte, string, func(int64) error) ([]byte, error)) {
	t.Helper()
	before := bytes.Clone(payload)
	otlp, err := translate(payload, "tenant", unlimited)
	if !bytes.Equal(payload, before) {
		t.Fatal("the payload was changed")
	}
	if err == nil {
		if _, err := wire.CountLogs(otlp); err != nil {
			t.Fatalf("what came out is refused: %v", err)
		}
	}
}
