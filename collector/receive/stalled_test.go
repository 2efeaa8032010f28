package receive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/codes"

	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// TestStalledCallsHoldLittle has clients promise all that may be in flight, and
// send next to nothing: others are served meanwhile, and those are cut off.
func TestStalledCallsHoldLittle(t *testing.T) {
	cfg := testConfig()
	cfg.SlowAfter = 500 * time.Millisecond
	in := testIntake(t, cfg, memory.New(memory.Config{MaxBytes: 1 << 30}))
	s := serveCallsAlone(t, in, in.callBounds(overGRPC))
	var stalling sync.WaitGroup
	defer stalling.Wait()
	for range cfg.MaxInflightBytes / cfg.MaxRequestBytes {
		stalling.Go(func() {
			promise := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(cfg.MaxRequestBytes)), make([]byte, 100)...)
			_, got := callAt(t, s.addr(), traceMethod, io.MultiReader(bytes.NewReader(promise), stalled{t.Context()}))
			if codes.Code(got.Code) != codes.Unavailable || got.Message != tooSlow().message {
				t.Errorf("answer %v, want Unavailable for being slow", got)
			}
		})
	}
	waitUntil(t, "the clients stall", func() bool { return in.budget.used.Load() > 0 })
	for range 10 {
		raw := encode(t, traceRequest(1000))
		if _, got := callAt(t, s.addr(), traceMethod, bytes.NewReader(frame(0, raw))); codes.Code(got.Code) != codes.OK {
			t.Errorf("meanwhile another is answered %v", got)
		}
		if used := in.budget.used.Load(); used > 8*firstStep {
			t.Errorf("%d bytes are charged", used)
		}
	}
	stalling.Wait()
	if used := in.budget.used.Load(); used != 0 {
		t.Errorf("%d bytes are charged in the end", used)
	}
}

// TestLargeCallsGrow: what comes in steps is what was sent, also when the
// budget leaves no room for steps.
func TestLargeCallsGrow(t *testing.T) {
	for _, inflight := range []int64{5 << 20, 256 << 20} {
		cfg := testConfig()
		cfg.MaxRequestBytes, cfg.MaxInflightBytes = 4<<20, inflight
		j := memory.New(memory.Config{MaxBytes: 1 << 30})
		r, _ := receivers(t, cfg, j)
		for _, size := range []int{firstStep - 100, firstStep, firstStep + 1, stepFactor*firstStep + 1, 3 << 20} {
			message := traceRequest(1)
			message.ResourceSpans[0].SchemaUrl = string(bytes.Repeat([]byte("u"), size))
			if _, err := coltrace.NewTraceServiceClient(dial(t, r)).Export(t.Context(), message); err != nil {
				t.Errorf("%d bytes of %d: %v", size, inflight, err)
			}
			got := records(t, j)
			if want := encode(t, message); !bytes.Equal(got[len(got)-1].Payload, want) {
				t.Errorf("%d bytes of %d: stored is not what was sent", size, inflight)
			}
		}
	}
}

func TestSteps(t *testing.T) {
	var pool blocks
	const size = 10 << 20
	content := bytes.Repeat([]byte("0123456789"), size/10)
	l := &lease{budget: &budget{max: 64 << 20}}
	b := buffer{blocks: &pool, lease: l}
	if err := b.admit(size); err != nil {
		t.Fatal(err)
	}
	most := int64(0)
	for at := 0; at < size; at += 10_000 {
		piece := content[at:min(at+10_000, size)]
		if err := b.grow(piece, size); err != nil {
			t.Fatal(err)
		}
		most = max(most, l.held-stepFactor*int64(at+len(piece)))
	}
	if !bytes.Equal(b.bytes(), content) || l.held != size {
		t.Errorf("%d bytes, %d charged", len(b.bytes()), l.held)
	}
	if most > firstStep {
		t.Errorf("%d bytes were charged beyond %d times what had come", most, stepFactor)
	}

	// Others leave no room: nobody begins then.
	if err := l.take(30 << 20); err != nil {
		t.Fatal(err)
	}
	other := &lease{budget: l.budget}
	if refused, ok := errors.AsType[*refusal]((&buffer{blocks: &pool, lease: other}).admit(size * 3)); !ok || refused.outcome != outcomeOverloaded {
		t.Errorf("admit = %v, want overloaded", refused)
	}
	if refused, ok := errors.AsType[*refusal]((&buffer{blocks: &pool, lease: other}).admit(65 << 20)); !ok || refused.outcome != outcomeTooLarge {
		t.Errorf("admit = %v, want too large", refused)
	}
	l.give(30 << 20)
	// Or no more: it ends in the middle, and gives back what it has.
	second := buffer{blocks: &pool, lease: other}
	if err := second.admit(size); err != nil {
		t.Fatal(err)
	}
	if err := l.take(l.budget.max - l.budget.used.Load()); err != nil {
		t.Fatal(err)
	}
	err := second.grow(content, size)
	if refused, ok := errors.AsType[*refusal](err); !ok || refused.outcome != outcomeOverloaded {
		t.Errorf("grow = %v, want overloaded", err)
	}
	second.free()
	b.free()
	l.release()
	if used := l.budget.used.Load(); used != 0 {
		t.Errorf("%d bytes are still charged", used)
	}
}
