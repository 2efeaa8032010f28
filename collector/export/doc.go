// Package export forwards what is in the journal to OTLP backends: Jaeger,
// Prometheus, Loki, or another collector. A signal may have several
// destinations; each has a reader, a connection and retries of its own, so a
// backend that is slow or down delays nothing but itself, and nothing is lost
// while the journal has room for it. What a backend will never take is kept as
// a dead letter.
package export
