package natsmw_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
	"github.com/waybill-dev/waybill/middleware/natsmw"
)

// outcomes are the counts of messages, by outcome and whether they came again.
func (t *telemetry) outcomes(test *testing.T) map[string]float64 {
	test.Helper()
	families, err := t.Registry.Gather()
	if err != nil {
		test.Fatal(err)
	}
	found := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "waybill_messaging_outcomes_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			var key []string
			for _, label := range metric.GetLabel() {
				if label.GetName() == "outcome" || label.GetName() == "redelivered" {
					key = append(key, label.GetValue())
				}
			}
			found[strings.Join(key, " ")] += metric.GetCounter().GetValue()
		}
	}
	return found
}

// TestOutcomesAreSeen settles one message in all ways, each of which but the
// last has the server deliver it again.
func TestOutcomesAreSeen(t *testing.T) {
	b, tel := startBroker(t), newTelemetry()
	consumer := b.mailer(t)
	m := tel.messenger(t)
	if err := m.Publish(t.Context(), paid(), b.store); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		outcome string
		settle  func(jetstream.Msg) error
		want    map[string]string // attributes of the span
		events  []string
	}{
		{"nak", func(msg jetstream.Msg) error { return msg.Nak() }, map[string]string{"messaging.nats.message.delivery_count": "1"}, []string{"nak"}},
		{
			"nak", func(msg jetstream.Msg) error { return msg.NakWithDelay(50 * time.Millisecond) },
			map[string]string{"messaging.nats.message.delivery_count": "2"},
			[]string{"nak messaging.nats.message.redelivery_delay=0.05"},
		},
		{"nak", func(msg jetstream.Msg) error {
			return errors.Join(msg.InProgress(), msg.InProgress(), msg.Nak())
		}, map[string]string{"messaging.nats.message.in_progress_count": "2"}, []string{"nak"}},
		{"term", func(msg jetstream.Msg) error { return msg.TermWithReason("no such order") }, nil, []string{"term messaging.nats.message.term_reason=no such order"}},
	} {
		before := len(tel.Spans.Ended())
		if err := m.Process(t.Context(), next(t, consumer), func(_ context.Context, msg jetstream.Msg) error { return step.settle(msg) }); err != nil {
			t.Fatal(err)
		}
		span := tel.Spans.Ended()[before]
		got := instrumenttest.Attributes(span.Attributes())
		if got["messaging.nats.message.outcome"] != step.outcome {
			t.Errorf("outcome is %q, want %q", got["messaging.nats.message.outcome"], step.outcome)
		}
		for key, want := range step.want {
			if got[key] != want {
				t.Errorf("%s = %q, want %q", key, got[key], want)
			}
		}
		var events []string
		for _, event := range span.Events() {
			words := []string{event.Name}
			for _, attribute := range event.Attributes {
				words = append(words, string(attribute.Key)+"="+attribute.Value.String())
			}
			events = append(events, strings.Join(words, " "))
		}
		if !slices.Equal(events, step.events) {
			t.Errorf("%s: events %q, want %q", step.outcome, events, step.events)
		}
	}
	if diff := cmp.Diff(map[string]float64{"nak false": 1, "nak true": 2, "term true": 1}, tel.outcomes(t)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

// silent is a message that nobody waits for; settling it fails with err.
type silent struct {
	jetstream.Msg
	err error
}

func (silent) Subject() string                           { return "orders.paid" }
func (silent) Headers() nats.Header                      { return nil }
func (silent) Data() []byte                              { return nil }
func (silent) Metadata() (*jetstream.MsgMetadata, error) { return nil, jetstream.ErrMsgNotBound }
func (s silent) Ack() error                              { return s.err }
func (s silent) DoubleAck(context.Context) error         { return s.err }
func (s silent) Nak() error                              { return s.err }
func (s silent) Term() error                             { return s.err }
func (s silent) InProgress() error                       { return s.err }

func TestOutcomeOfWhatIsSettledLateTwiceOrNever(t *testing.T) {
	const wait = 10 * time.Second
	for name, test := range map[string]struct {
		message silent
		handle  func(jetstream.Msg)
		want    string
	}{
		"never":           {handle: func(jetstream.Msg) {}, want: "none"},
		"twice":           {handle: func(msg jetstream.Msg) { _ = msg.Term(); _ = msg.Ack() }, want: "term"},
		"certainly":       {handle: func(msg jetstream.Msg) { _ = msg.DoubleAck(context.Background()) }, want: "ack"},
		"in vain":         {message: silent{err: nats.ErrConnectionClosed}, handle: func(msg jetstream.Msg) { _ = msg.Ack() }, want: "none"},
		"in time":         {handle: func(msg jetstream.Msg) { time.Sleep(wait); _ = msg.Ack() }, want: "ack"},
		"late":            {handle: func(msg jetstream.Msg) { time.Sleep(wait + 1); _ = msg.Ack() }, want: "timeout"},
		"never, and late": {handle: func(jetstream.Msg) { time.Sleep(wait + 1) }, want: "timeout"},
		"with patience": {handle: func(msg jetstream.Msg) {
			for range 3 {
				time.Sleep(wait)
				_ = msg.InProgress()
			}
			time.Sleep(wait)
			_ = msg.Nak()
		}, want: "nak"},
		"with patience too late": {handle: func(msg jetstream.Msg) {
			time.Sleep(wait + 1)
			_ = msg.InProgress()
			_ = msg.Ack()
		}, want: "timeout"},
		"by a panic": {handle: func(jetstream.Msg) { panic("out of paper") }, want: "none"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tel := newTelemetry()
				m := tel.messenger(t, natsmw.WithAckWait(wait))
				func() {
					defer func() { _ = recover() }()
					_ = m.Process(t.Context(), test.message, func(_ context.Context, msg jetstream.Msg) error {
						test.handle(msg)
						return nil
					})
				}()
				span := tel.named(t, "process orders.paid")
				got := instrumenttest.Attributes(span.Attributes())
				if vain := test.message.err != nil; vain && (len(span.Events()) != 1 || instrumenttest.Attributes(span.Events()[0].Attributes)["error.type"] != "disconnected") {
					t.Errorf("events are %v, want one that tells why it was in vain", span.Events())
				}
				if got["messaging.nats.message.outcome"] != test.want {
					t.Errorf("outcome is %q, want %q", got["messaging.nats.message.outcome"], test.want)
				}
				if diff := cmp.Diff(map[string]float64{test.want + " false": 1}, tel.outcomes(t)); diff != "" {
					t.Errorf("outcomes (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A message that is settled after its handler has returned is the server's
// business: the span is over, and it is counted once.
func TestSettlingAfterwardsChangesNothing(t *testing.T) {
	tel := newTelemetry()
	m := tel.messenger(t)
	var kept jetstream.Msg
	if err := m.Process(t.Context(), silent{}, func(_ context.Context, msg jetstream.Msg) error {
		kept = msg
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(kept.InProgress(), kept.Ack()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{"none false": 1}, tel.outcomes(t)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}
