// Package wire gives read-only views over encoded OTLP export requests: it
// looks at the bytes in place, in one pass, and copies nothing.
//
// A request goes through one of the Count functions when it is received: they
// check all of it, as deeply as a full decoder would. The Walk functions and
// the views rely on that. On bytes that nobody has checked they never panic
// and never read outside, but they may show less than is there.
//
// Views are valid until the callback that got them returns: they are used
// again for the next item, and point into the request's bytes, which belong to
// the caller.
//
// The encoding follows the rules of proto3: of a singular field the last
// occurrence counts, singular messages that occur twice are merged, unknown
// fields and known numbers with an unexpected wire type are skipped, packed
// and unpacked repeated scalars are equal, strings are UTF-8. Messages nested
// deeper than 100 levels are refused, as in the C++ and Java decoders.
package wire

import (
	"errors"
	"fmt"
)

// ErrMalformed says that bytes are no encoded OTLP request. Sending them again
// will not help.
var ErrMalformed = errors.New("malformed OTLP request")

// malformed names the message, and where it is known the field, that is wrong.
func malformed(message, reason string) error {
	return fmt.Errorf("%w: %s: %s", ErrMalformed, message, reason)
}
