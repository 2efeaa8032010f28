package otlp

import (
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protowire"
)

// AppendLogs encodes an ExportLogsServiceRequest of records that
// AppendLogRecord has encoded.
func AppendLogs(dst []byte, res *resource.Resource, scope instrumentation.Scope, records [][]byte) []byte {
	return inResource(dst, res, func(dst []byte) []byte {
		return inScope(dst, scope, func(dst []byte) []byte {
			for _, record := range records {
				dst = bytes(dst, 2, record)
			}
			return dst
		})
	})
}

// AppendLogRecord writes a LogRecord; attrs are all its attributes, those of
// the logger in front.
//
//	fixed64 time_unix_nano = 1;  SeverityNumber severity_number = 2;  string severity_text = 3;  AnyValue body = 5;
//	repeated KeyValue attributes = 6;  fixed32 flags = 8;  bytes trace_id = 9;  bytes span_id = 10;
//	fixed64 observed_time_unix_nano = 11;
func AppendLogRecord(dst []byte, record slog.Record, attrs []slog.Attr, sc trace.SpanContext) []byte {
	dst = fixed64(dst, 1, nanoseconds(record.Time))
	dst = varint(dst, 2, severity(record.Level))
	dst = text(dst, 3, record.Level.String())
	dst = message(dst, 5, func(dst []byte) []byte { return stringValue(dst, record.Message) })
	for _, attr := range attrs {
		dst = logAttribute(dst, 6, attr)
	}
	if sc.IsValid() {
		traceID, spanID := sc.TraceID(), sc.SpanID()
		dst = fixed32(dst, 8, uint32(sc.TraceFlags()))
		dst = bytes(bytes(dst, 9, traceID[:]), 10, spanID[:])
	}
	return fixed64(dst, 11, nanoseconds(record.Time))
}

// severity maps slog's levels, four apart, to OTLP's, four apart too: debug 5,
// info 9, warn 13, error 17.
func severity(level slog.Level) uint64 {
	return uint64(min(max(int(level)+9, 1), 24))
}

// logAttribute appends an attribute the way slog's own handlers read them:
// without key and value it is nothing, and a group without a key is its content.
func logAttribute(dst []byte, num protowire.Number, attr slog.Attr) []byte {
	v := attr.Value.Resolve()
	if attr.Key == "" && v.Kind() != slog.KindGroup {
		return dst
	}
	if v.Kind() == slog.KindGroup && (attr.Key == "" || len(v.Group()) == 0) {
		for _, inner := range v.Group() {
			dst = logAttribute(dst, num, inner)
		}
		return dst
	}
	return message(dst, num, func(dst []byte) []byte {
		dst = text(dst, 1, valid(attr.Key))
		return message(dst, 2, func(dst []byte) []byte { return logValue(dst, v) })
	})
}

func logValue(dst []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindBool:
		return boolValue(dst, v.Bool())
	case slog.KindInt64:
		return intValue(dst, v.Int64())
	case slog.KindFloat64:
		return double(dst, 4, v.Float64())
	case slog.KindTime:
		return stringValue(dst, v.Time().Format(time.RFC3339Nano))
	case slog.KindGroup:
		return message(dst, 6, func(dst []byte) []byte {
			for _, inner := range v.Group() {
				dst = logAttribute(dst, 1, inner)
			}
			return dst
		})
	case slog.KindAny, slog.KindDuration, slog.KindString, slog.KindUint64, slog.KindLogValuer:
	}
	return stringValue(dst, v.String())
}
