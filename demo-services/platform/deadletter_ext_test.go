package platform_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

func (b testBus) letters(t *testing.T) *platform.DeadLetters {
	t.Helper()
	letters, err := platform.OpenDeadLetters(b.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(letters.Close)
	return letters
}

// wantLetters waits until there are as many dead letters.
func wantLetters(t *testing.T, d *platform.DeadLetters, n int) []platform.DeadLetter {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		letters, err := d.List(t.Context(), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(letters) == n {
			return letters
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d dead letters, want %d", len(letters), n)
		}
	}
}

// TestDeadLetterIsReplayed has a consumer give up on two events, which it can
// handle afterwards.
func TestDeadLetterIsReplayed(t *testing.T) {
	b := newTestBus(t)
	d := b.letters(t)
	mended := make(chan struct{})
	type handled struct{ id, trace string }
	again := make(chan handled, 10)
	b.consume(t, impatient(), func(ctx context.Context, e platform.Event) error {
		select {
		case <-mended:
			again <- handled{e.ID, trace.SpanContextFromContext(ctx).TraceID().String()}
			return nil
		default:
			return errors.Join(platform.ErrPoison, errors.New("not yet"))
		}
	})
	const traceID = "0af7651916cd43dd8448eb211c80319c"
	b.publish(t, "evt_1", event(t, "evt_1"), map[string]string{"traceparent": "00-" + traceID + "-b7ad6b7169203331-01"})
	wantLetters(t, d, 1)
	b.publish(t, "evt_2", event(t, "evt_2"), nil)
	letters := wantLetters(t, d, 2)
	first := letters[0]
	if first.Subject != platform.SubjectConfirmed || first.Consumer != "test" || first.Reason != "message can't be handled not yet" ||
		string(first.Payload) == "" || time.Since(first.At) > time.Hour {
		t.Errorf("letter is %+v", first)
	}
	close(mended)
	if err := d.Replay(t.Context(), first.Seq); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, again); got != (handled{"evt_1", traceID}) {
		t.Errorf("handled %v, want evt_1 in trace %s", got, traceID)
	}
	left := wantLetters(t, d, 1)
	if left[0].Seq != letters[1].Seq {
		t.Errorf("left is %v", left)
	}
	if err := d.Replay(t.Context(), first.Seq); !errors.Is(err, platform.ErrNoLetter) {
		t.Errorf("the second replay: %v, want ErrNoLetter", err)
	}
	if letter, err := d.Get(t.Context(), letters[1].Seq); err != nil || letter.Seq != letters[1].Seq {
		t.Errorf("letter %v, %v", letter, err)
	}
	if limited, err := d.List(t.Context(), 0, 0); err != nil || len(limited) != 0 {
		t.Errorf("letters %v, %v", limited, err)
	}
}

func TestNoDeadLettersBeforeThereIsAStream(t *testing.T) {
	broker, err := platform.StartBroker(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	d, err := platform.OpenDeadLetters(broker.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	if letters, err := d.List(t.Context(), 0, 10); err != nil || len(letters) != 0 {
		t.Errorf("letters are %v, %v", letters, err)
	}
	if _, err := platform.OpenDeadLetters("nats://127.0.0.1:1"); err == nil {
		t.Error("somebody listens on port 1")
	}
}
