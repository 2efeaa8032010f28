// Package jaeger turns what Jaeger's retired clients send into OTLP: bytes in,
// bytes out. The decoders are Jaeger's own (jaeger-idl), the translation is the
// OpenTelemetry Collector's, so that a span becomes here what it becomes there.
//
// None of them bounds what a hostile request makes it allocate, so each request
// is walked once before it is decoded, and its memory is asked for first.
package jaeger
