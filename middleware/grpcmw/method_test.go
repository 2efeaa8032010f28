package grpcmw

import (
	"strconv"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"
)

func TestMethodsAreKeptWithinABound(t *testing.T) {
	m := methods{kind: trace.SpanKindServer, early: true}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range maxMethods {
				m.add("shop.Service/Method" + strconv.Itoa(worker*maxMethods+i))
			}
		})
	}
	wg.Wait()
	// Those who add at the same moment may each take the last place.
	if n := len(*m.called.Load()); n < maxMethods || n > maxMethods+4 {
		t.Errorf("%d methods are kept, want %d", n, maxMethods)
	}
	for _, method := range []string{"shop.Service/Method0", "shop.Service/New"} {
		config := trace.NewSpanStartConfig(m.startOptions(method)...)
		if config.SpanKind() != trace.SpanKindServer || asMap(config.Attributes())["rpc.method"] != method {
			t.Errorf("%s starts with kind %v and %v", method, config.SpanKind(), config.Attributes())
		}
	}
}
