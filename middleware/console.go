package middleware

import (
	"fmt"
	"io"

	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// newConsole writes each span as it ends, for whoever looks on. It slows the
// service down, and is for nothing else.
func newConsole(w io.Writer) (sdktrace.SpanProcessor, error) {
	exporter, err := stdouttrace.New(stdouttrace.WithWriter(w))
	if err != nil {
		return nil, fmt.Errorf("write spans to the console: %w", err)
	}
	return sdktrace.NewSimpleSpanProcessor(exporter), nil
}
