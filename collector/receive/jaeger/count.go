package jaeger

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/thrift/lib/go/thrift"
)

// Jaeger's decoders make room for as many elements as a list says it has, which
// four bytes can claim to be millions, in each of many lists. counter passes
// over a struct without decoding it: when it comes to the end, all elements
// were there, and the decoders allocate no more than it has counted.
type counter struct {
	thrift.TProtocol

	structs int
}

// countStructs returns how many structs there are in the next one, itself
// included. Jaeger's protocol, which is not developed any more, has no lists
// but of structs, no maps and no sets; they are refused, because the decoders
// would take elements of one byte for structs.
func countStructs(ctx context.Context, p thrift.TProtocol) (int, error) {
	c := &counter{TProtocol: p}
	err := c.Skip(ctx, thrift.STRUCT)
	return c.structs, err
}

// Skip implements thrift.TProtocol.
func (c *counter) Skip(ctx context.Context, fieldType thrift.TType) error {
	return thrift.SkipDefaultDepth(ctx, c, fieldType)
}

// ReadStructBegin implements thrift.TProtocol.
func (c *counter) ReadStructBegin(ctx context.Context) (string, error) {
	c.structs++
	return c.TProtocol.ReadStructBegin(ctx)
}

// ReadListBegin implements thrift.TProtocol.
func (c *counter) ReadListBegin(ctx context.Context) (thrift.TType, int, error) {
	elements, size, err := c.TProtocol.ReadListBegin(ctx)
	if err == nil && size > 0 && elements != thrift.STRUCT {
		err = fmt.Errorf("a list of %v; Jaeger's lists are of structs", elements)
	}
	return elements, size, err
}

var errContainer = errors.New("a map or a set; Jaeger has none")

// ReadMapBegin implements thrift.TProtocol.
func (c *counter) ReadMapBegin(context.Context) (key, value thrift.TType, size int, err error) {
	return 0, 0, 0, errContainer
}

// ReadSetBegin implements thrift.TProtocol.
func (c *counter) ReadSetBegin(context.Context) (elements thrift.TType, size int, err error) {
	return 0, 0, errContainer
}
