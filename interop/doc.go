// Package interop tests Waybill against the real Jaeger and the real
// Prometheus: the shop runs, orders are placed, and what those two then answer
// is compared with what must be there. `go run ./build` makes their binaries.
package interop
