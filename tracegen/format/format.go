// Package format translates encoded OTLP export requests into what other
// protocols send: bytes in, bytes out. The rules are those of the OpenTelemetry
// Collector, so that a span becomes there what it becomes here.
package format

import (
	"encoding/json"
	"fmt"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/translator/zipkin/zipkinv2"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// decode reads an ExportTraceServiceRequest, whose encoding is that of traces.
func decode(request []byte) (ptrace.Traces, error) {
	traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(request)
	if err != nil {
		return traces, fmt.Errorf("decode the request: %w", err)
	}
	return traces, nil
}

// JSON is OTLP's JSON: ids in hexadecimal, enumerations as numbers.
func JSON(request []byte) ([][]byte, error) {
	traces, err := decode(request)
	if err != nil {
		return nil, err
	}
	body, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
	if err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return [][]byte{body}, nil
}

// LogsJSON is OTLP's JSON of an ExportLogsServiceRequest.
func LogsJSON(request []byte) ([][]byte, error) {
	logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(request)
	if err != nil {
		return nil, fmt.Errorf("decode the request: %w", err)
	}
	body, err := (&plog.JSONMarshaler{}).MarshalLogs(logs)
	if err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return [][]byte{body}, nil
}

// MetricsJSON is OTLP's JSON of an ExportMetricsServiceRequest.
func MetricsJSON(request []byte) ([][]byte, error) {
	metrics, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(request)
	if err != nil {
		return nil, fmt.Errorf("decode the request: %w", err)
	}
	body, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(metrics)
	if err != nil {
		return nil, fmt.Errorf("encode JSON: %w", err)
	}
	return [][]byte{body}, nil
}

// Zipkin is a list of spans in Zipkin's second format. It has no links.
func Zipkin(request []byte) ([][]byte, error) {
	traces, err := decode(request)
	if err != nil {
		return nil, err
	}
	spans, err := zipkinv2.FromTranslator{}.FromTraces(traces)
	if err != nil {
		return nil, fmt.Errorf("translate to Zipkin: %w", err)
	}
	body, err := json.Marshal(spans)
	if err != nil {
		return nil, fmt.Errorf("encode Zipkin's JSON: %w", err)
	}
	return [][]byte{body}, nil
}
