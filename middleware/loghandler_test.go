package middleware_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"

	"github.com/waybill-dev/waybill/middleware"
)

func TestHandlerIsWhatSlogAsks(t *testing.T) {
	var lines bytes.Buffer
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		lines.Reset()
		return setup(t, middleware.WithLogWriter(&lines)).Logger().Handler()
	}, func(t *testing.T) map[string]any {
		var line map[string]any
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		return line
	})
}

// secretValue is resolved by the handler.
type secretValue struct{}

func (secretValue) LogValue() slog.Value { return slog.StringValue("resolved") }

// logged logs, and returns the line, and the record as it was sent.
func logged(t *testing.T, log func(*slog.Logger)) (map[string]any, *logs.LogRecord) {
	t.Helper()
	collector := newReceiver(t)
	var lines bytes.Buffer
	tel := setup(t, middleware.WithEndpoint(collector.URL), middleware.WithLogWriter(&lines), middleware.WithLogLevel(slog.LevelDebug))
	log(tel.Logger())
	flush(t, tel)
	var line map[string]any
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
		t.Fatalf("%v in %s", err, lines.String())
	}
	delete(line, "time")
	collector.mu.Lock()
	defer collector.mu.Unlock()
	if len(collector.logs) != 1 {
		t.Fatalf("%d batches of records, want one", len(collector.logs))
	}
	return line, collector.logs[0].GetScopeLogs()[0].GetLogRecords()[0]
}

// tree is an attribute's value in Go's own types.
func tree(v *common.AnyValue) any {
	switch v := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return v.StringValue
	case *common.AnyValue_IntValue:
		return float64(v.IntValue)
	case *common.AnyValue_DoubleValue:
		return v.DoubleValue
	case *common.AnyValue_BoolValue:
		return v.BoolValue
	case *common.AnyValue_KvlistValue:
		return trees(v.KvlistValue.GetValues())
	}
	return nil
}

func trees(list []*common.KeyValue) map[string]any {
	m := map[string]any{}
	for _, kv := range list {
		m[kv.GetKey()] = tree(kv.GetValue())
	}
	return m
}

func TestRecordsGoBothWays(t *testing.T) {
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	ctx := trace.ContextWithSpanContext(t.Context(), sc)
	line, record := logged(t, func(logger *slog.Logger) {
		logger.With("a", 1).WithGroup("g").With("b", true).WithGroup("h").WarnContext(ctx, "hello",
			"c", 1.5, "d", time.Second, "e", errors.New("boom"), "f", secretValue{}, slog.Group("i", "j", "k"), slog.Group("", "l", "m"))
	})
	group := map[string]any{"b": true, "h": map[string]any{
		"c": 1.5, "d": 1e9, "e": "boom", "f": "resolved", "i": map[string]any{"j": "k"}, "l": "m",
	}}
	want := map[string]any{
		"level": "WARN", "msg": "hello", "a": 1.0, "g": group,
		"trace_id": sc.TraceID().String(), "span_id": sc.SpanID().String(),
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
	group["h"].(map[string]any)["d"] = "1s" // a duration tells its unit
	if diff := cmp.Diff(map[string]any{"a": 1.0, "g": group}, trees(record.GetAttributes())); diff != "" {
		t.Errorf("attributes sent (-want +got):\n%s", diff)
	}
	if record.GetSeverityNumber() != logs.SeverityNumber_SEVERITY_NUMBER_WARN || record.GetSeverityText() != "WARN" || record.GetFlags() != 1 {
		t.Errorf("severity %v %q, flags %d", record.GetSeverityNumber(), record.GetSeverityText(), record.GetFlags())
	}
	if took := time.Since(time.Unix(0, int64(record.GetTimeUnixNano()))); took < 0 || took > time.Hour {
		t.Errorf("the record is %v old", took)
	}
}

func TestRecordWithoutSpanHasNoIDs(t *testing.T) {
	line, record := logged(t, func(logger *slog.Logger) { logger.Debug("hello") })
	if diff := cmp.Diff(map[string]any{"level": "DEBUG", "msg": "hello"}, line); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
	if len(record.GetTraceId())+len(record.GetSpanId()) != 0 || record.GetSeverityNumber() != logs.SeverityNumber_SEVERITY_NUMBER_DEBUG {
		t.Errorf("record = %v", record)
	}
}

// One bad byte would have the collector refuse the whole batch.
func TestTextThatIsNoUTF8IsSent(t *testing.T) {
	_, record := logged(t, func(logger *slog.Logger) { logger.InfoContext(t.Context(), "bad \xff byte", "k\xff", "v\xff") })
	if got := record.GetBody().GetStringValue(); got != "bad \uFFFD byte" {
		t.Errorf("body = %q", got)
	}
	if diff := cmp.Diff(map[string]any{"k\uFFFD": "v\uFFFD"}, trees(record.GetAttributes())); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

func TestLevelBoundsBothWays(t *testing.T) {
	collector := newReceiver(t)
	var lines bytes.Buffer
	level := new(slog.LevelVar)
	level.Set(slog.LevelError)
	tel := setup(t, middleware.WithEndpoint(collector.URL), middleware.WithLogWriter(&lines), middleware.WithLogLevel(level))
	tel.Logger().InfoContext(t.Context(), "unheard")
	level.Set(slog.LevelInfo)
	tel.Logger().InfoContext(t.Context(), "heard")
	flush(t, tel)
	collector.mu.Lock()
	defer collector.mu.Unlock()
	if records := collector.logs[0].GetScopeLogs()[0].GetLogRecords(); len(records) != 1 || records[0].GetBody().GetStringValue() != "heard" {
		t.Errorf("sent: %v", records)
	}
	if strings.Contains(lines.String(), "unheard") {
		t.Errorf("written: %s", lines.String())
	}
}
