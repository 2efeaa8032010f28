package platform

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const outboxTable = `CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE,
	subject TEXT NOT NULL, payload BLOB NOT NULL, headers TEXT NOT NULL, created_at INTEGER NOT NULL,
	claimed_until INTEGER NOT NULL DEFAULT 0) STRICT`

// recordingBus notes what is published, unless fail says otherwise.
type recordingBus struct {
	messages chan Message
	fail     func(Message) error
}

func (b *recordingBus) Publish(_ context.Context, m Message) error {
	if err := b.fail(m); err != nil {
		return err
	}
	b.messages <- m
	return nil
}

func addEvent(t *testing.T, o *Outbox, eventType string, fail error) Event {
	t.Helper()
	e, err := NewEvent(eventType, time.Now(), map[string]int{"n": 1})
	if err != nil {
		t.Fatal(err)
	}
	err = o.db.InTx(t.Context(), func(tx *Conn) error {
		return errors.Join(o.Add(t.Context(), tx, e), fail)
	})
	if !errors.Is(err, fail) {
		t.Fatal(err)
	}
	return e
}

// TestOutboxPublishesWhatIsCommitted adds events in transactions that commit
// and one that doesn't, and has the bus come up late.
func TestOutboxPublishesWhatIsCommitted(t *testing.T) {
	db := openTestDB(t, t.TempDir(), outboxTable)
	o := NewOutbox(db, propagation.TraceContext{})
	first := addEvent(t, o, EventOrderCreated, nil)
	addEvent(t, o, EventOrderConfirmed, errors.New("rolled back"))
	second := addEvent(t, o, EventPaymentProcessed, nil)

	down := errors.New("the bus is down")
	failures := 0
	bus := &recordingBus{messages: make(chan Message, 10)}
	bus.fail = func(Message) error {
		if failures++; failures <= 2 {
			o.Wake() // As if somebody had added something meanwhile.
			return down
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.Run(ctx, bus, slog.New(slog.DiscardHandler))
	}()
	var got []Message
	for range 2 {
		select {
		case m := <-bus.messages:
			got = append(got, m)
		case <-time.After(30 * time.Second):
			t.Fatal("nothing was published")
		}
	}
	third := addEvent(t, o, EventUserCreated, nil)
	o.Wake()
	got = append(got, <-bus.messages)
	left := -1 // An event is removed after it has been published.
	for deadline := time.Now().Add(30 * time.Second); left != 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if err := db.QueryRow(t.Context(), []any{&left}, "SELECT count(*) FROM outbox"); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	<-done
	if left != 0 {
		t.Errorf("%d events are left", left)
	}

	var want []Message
	for _, e := range []Event{first, second, third} {
		payload, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		subject, err := SubjectOf(e.Type)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, Message{Subject: subject, ID: e.ID, Headers: map[string]string{}, Payload: payload})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

func TestOutboxRefusesUnknownTypes(t *testing.T) {
	o := NewOutbox(openTestDB(t, t.TempDir(), outboxTable), propagation.TraceContext{})
	err := o.db.InTx(t.Context(), func(tx *Conn) error { return o.Add(t.Context(), tx, Event{ID: "evt_1", Type: "order.lost"}) })
	if err == nil {
		t.Error("it was added")
	}
}

// TestOutboxCarriesTheTrace adds an event inside a trace: the headers name the
// span of the row.
func TestOutboxCarriesTheTrace(t *testing.T) {
	db, telemetry, recorder := observe(t, t.TempDir(), outboxTable)
	o := NewOutbox(db, propagation.TraceContext{})
	ctx, span := telemetry.TracerProvider().Tracer("").Start(t.Context(), "root")
	if err := o.db.InTx(ctx, func(tx *Conn) error { return o.Add(ctx, tx, Event{ID: "evt_1", Type: EventOrderCreated}) }); err != nil {
		t.Fatal(err)
	}
	waiting, _, err := o.claim(t.Context())
	if err != nil || len(waiting) != 1 {
		t.Fatalf("%d events, %v", len(waiting), err)
	}
	spans := recorder.Ended()
	if len(spans) != 1 || spans[0].Name() != "INSERT outbox" {
		t.Fatalf("spans are %v", spans)
	}
	row := spans[0].SpanContext()
	want := "00-" + span.SpanContext().TraceID().String() + "-" + row.SpanID().String() + "-" + row.TraceFlags().String()
	if got := waiting[0].message.Headers["traceparent"]; got != want {
		t.Errorf("traceparent is %q, want %q", got, want)
	}
}

func TestOutboxLagIsTheAgeOfTheOldestEvent(t *testing.T) {
	o := NewOutbox(openTestDB(t, t.TempDir(), outboxTable), propagation.TraceContext{})
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(outboxLag{o}); err != nil {
		t.Fatal(err)
	}
	want := func(events, seconds string) {
		t.Helper()
		text := `# HELP shop_outbox_events Events that are not on the bus yet.
# TYPE shop_outbox_events gauge
shop_outbox_events ` + events + `
# HELP shop_outbox_lag_seconds Age of the oldest event that is not on the bus yet; 0 if there is none.
# TYPE shop_outbox_lag_seconds gauge
shop_outbox_lag_seconds ` + seconds + "\n"
		if err := testutil.GatherAndCompare(registry, strings.NewReader(text)); err != nil {
			t.Error(err)
		}
	}
	want("0", "0")
	added := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for i := range 2 {
		o.now = func() time.Time { return added.Add(time.Duration(i) * time.Minute) }
		addEvent(t, o, EventOrderCreated, nil)
	}
	o.now = func() time.Time { return added.Add(90 * time.Second) }
	want("2", "90")
}

func TestLinksTo(t *testing.T) {
	ctx, span := sdktrace.NewTracerProvider().Tracer("").Start(t.Context(), "before")
	links := LinksTo(Traceparent(ctx), "", "00-nonsense", Traceparent(t.Context()))
	if len(links) != 1 || links[0].SpanContext.SpanID() != span.SpanContext().SpanID() || links[0].SpanContext.TraceID() != span.SpanContext().TraceID() {
		t.Errorf("links are %v, want one to %v", links, span.SpanContext())
	}
}

// TestInstancesShareAnOutbox has two relays on one database: each event is
// published once, and what one has claimed and can't publish the other does.
func TestInstancesShareAnOutbox(t *testing.T) {
	dir := t.TempDir()
	one := NewOutbox(openTestDB(t, dir, outboxTable), propagation.TraceContext{})
	other := NewOutbox(openTestDB(t, dir, outboxTable), propagation.TraceContext{})
	const events = relayBatch + 10
	for range events {
		addEvent(t, one, EventOrderCreated, nil)
	}
	count := func(o *Outbox) int {
		t.Helper()
		bus := &recordingBus{messages: make(chan Message, events), fail: func(Message) error { return nil }}
		if err := o.drain(t.Context(), bus); err != nil {
			t.Fatal(err)
		}
		return len(bus.messages)
	}
	claimed, _, err := one.claim(t.Context())
	if err != nil || len(claimed) != relayBatch || !slices.IsSortedFunc(claimed, func(a, b outgoing) int { return int(a.seq - b.seq) }) {
		t.Fatalf("%d events are claimed, %v", len(claimed), err)
	}
	if n := count(other); n != events-relayBatch {
		t.Errorf("the other publishes %d, want the %d that are not claimed", n, events-relayBatch)
	}
	// The one is killed; what it has claimed is free after a while.
	other.now = func() time.Time { return time.Now().Add(claimTime) }
	if n := count(other); n != relayBatch {
		t.Errorf("the other publishes %d afterwards, want %d", n, relayBatch)
	}

	for range 3 {
		addEvent(t, one, EventOrderCreated, nil)
	}
	down := &recordingBus{messages: make(chan Message, 1)}
	down.fail = func(Message) error {
		if len(down.messages) == 1 {
			return errors.New("the bus is down")
		}
		return nil
	}
	if err := one.drain(t.Context(), down); err == nil {
		t.Error("the bus is not down")
	}
	other.now = time.Now
	if n := count(other); n != 2 {
		t.Errorf("the other publishes %d of what was let go, want 2", n)
	}
}
