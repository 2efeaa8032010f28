package natsmw

import (
	"slices"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/waybill-dev/waybill/middleware/internal/propagator"
)

// header lets a propagator read and write a message's headers, whose names it
// compares without case.
type header nats.Header

// Get is the value of a header, by the rule that all carriers follow.
func (h header) Get(key string) string { return propagator.Header(key, h.Values(key)) }

// Values implements propagation.ValuesGetter.
func (h header) Values(key string) []string {
	names := h.spellings(key)
	if len(names) == 1 {
		return h[names[0]]
	}
	var values []string
	for _, name := range names {
		values = append(values, h[name]...)
	}
	return values
}

// spellings are the names that differ from the key in case only, in order.
func (h header) spellings(key string) []string {
	var names []string
	for name := range h {
		if strings.EqualFold(name, key) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Set replaces a header in whatever spelling it is there.
func (h header) Set(key, value string) {
	for _, name := range h.spellings(key) {
		delete(h, name)
	}
	h[key] = []string{value}
}

// Keys implements propagation.TextMapCarrier.
func (h header) Keys() []string {
	keys := make([]string, 0, len(h))
	for key := range h {
		keys = append(keys, key)
	}
	return keys
}
