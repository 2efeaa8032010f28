// Package export forwards what is in the journal to OTLP backends: Jaeger,
// Prometheus, Loki, or another collector. Each signal has a reader of its own,
// so a backend that is slow or down delays nothing but itself, and nothing is
// lost while the journal has room for it.
package export
