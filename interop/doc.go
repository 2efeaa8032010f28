// Package interop tests Waybill against the real Jaeger, Prometheus, Loki and
// Mailpit: the shop runs, orders are placed, and what those then answer is
// compared with what must be there. `go run ./build` makes their binaries.
package interop
