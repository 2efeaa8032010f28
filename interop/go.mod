// Tests against real backends, in a module of their own: see docs/decisions/008-real-backends.md.
module github.com/waybill-dev/waybill/interop

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	github.com/waybill-dev/waybill v0.0.0
)

replace github.com/waybill-dev/waybill => ../
