package grpcmw

import (
	"context"

	"google.golang.org/grpc/metadata"

	"github.com/waybill-dev/waybill/middleware/internal/propagator"
)

// incoming gives a propagator the metadata of the call that a context is of.
type incoming struct{ ctx context.Context }

// Get is the value of a header, by the rule that all carriers follow.
func (c *incoming) Get(key string) string { return propagator.Header(key, c.Values(key)) }

// Values implements propagation.ValuesGetter.
func (c *incoming) Values(key string) []string { return metadata.ValueFromIncomingContext(c.ctx, key) }

// Keys implements propagation.TextMapCarrier.
func (c *incoming) Keys() []string {
	md, _ := metadata.FromIncomingContext(c.ctx)
	keys := make([]string, 0, len(md))
	for key := range md {
		keys = append(keys, key)
	}
	return keys
}

// Set implements propagation.TextMapCarrier; nothing is injected into what has
// come in.
func (*incoming) Set(string, string) {}

// outgoing collects what a propagator injects.
type outgoing struct {
	pairs []string
	room  [2]string // nearly always there is traceparent alone
}

// Set implements propagation.TextMapCarrier.
func (c *outgoing) Set(key, value string) {
	if c.pairs == nil {
		c.pairs = c.room[:0]
	}
	c.pairs = append(c.pairs, key, value)
}

// Get implements propagation.TextMapCarrier; nothing is extracted from what
// goes out.
func (*outgoing) Get(string) string { return "" }

// Keys implements propagation.TextMapCarrier.
func (*outgoing) Keys() []string { return nil }

// context adds what was collected to the metadata that a call sends. What the
// caller has set under the same names, perhaps by passing on all metadata of a
// call that came in, is replaced: a second traceparent would void both.
func (c *outgoing) context(ctx context.Context) context.Context {
	if len(c.pairs) == 0 {
		return ctx
	}
	md, ok := metadata.FromOutgoingContext(ctx)
	if !ok {
		return metadata.AppendToOutgoingContext(ctx, c.pairs...)
	}
	for i := 0; i < len(c.pairs); i += 2 {
		md.Set(c.pairs[i], c.pairs[i+1])
	}
	return metadata.NewOutgoingContext(ctx, md)
}
