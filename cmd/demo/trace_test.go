package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// jaegerTrace is what a test needs of a trace in Jaeger's API.
type jaegerTrace struct {
	Spans []jaegerSpan `json:"spans"`
	// Processes are known by the ids that spans have.
	Processes map[string]struct {
		ServiceName string      `json:"serviceName"`
		Tags        []jaegerTag `json:"tags"`
	} `json:"processes"`
}

type jaegerSpan struct {
	SpanID     string `json:"spanID"`
	Operation  string `json:"operationName"`
	References []struct {
		SpanID string `json:"spanID"`
	} `json:"references"`
	StartTime int64 `json:"startTime"`
	Duration  int64 `json:"duration"` // µs
	Logs      []struct {
		Fields []jaegerTag `json:"fields"`
	} `json:"logs"`
	Tags      []jaegerTag `json:"tags"`
	ProcessID string      `json:"processID"`
}

type jaegerTag struct {
	Key   string `json:"key"`
	Value any    `json:"value"`
}

func (s jaegerSpan) tag(key string) any {
	for _, tag := range s.Tags {
		if tag.Key == key {
			return tag.Value
		}
	}
	return nil
}

// parent is the span's first reference: to what it is a child of, or what it
// follows from.
func (s jaegerSpan) parent() string {
	if len(s.References) == 0 {
		return ""
	}
	return s.References[0].SpanID
}

// tree writes the trace down, each span below its parent, in the order of time:
// "service: name (kind)", and ERROR where there was one.
func (tr jaegerTrace) tree() string {
	spans := slices.Clone(tr.Spans)
	slices.SortStableFunc(spans, func(a, b jaegerSpan) int { return int(a.StartTime - b.StartTime) })
	var out strings.Builder
	var below func(parent string, depth int)
	below = func(parent string, depth int) {
		for _, s := range spans {
			if s.parent() != parent {
				continue
			}
			fmt.Fprintf(&out, "%s%s: %s (%v)", strings.Repeat("  ", depth), tr.Processes[s.ProcessID].ServiceName, s.Operation, s.tag("span.kind"))
			if s.tag("error") == true {
				out.WriteString(" ERROR")
			}
			out.WriteByte('\n')
			below(s.SpanID, depth+1)
		}
	}
	below("", 0)
	return out.String()
}

// findTrace reads a trace from the viewer; it has no spans if it is not there.
func findTrace(t *testing.T, viewer, id string) jaegerTrace {
	t.Helper()
	got := get(t, viewer+"/api/traces/"+id)
	var found struct {
		Data []jaegerTrace `json:"data"`
	}
	if err := json.Unmarshal([]byte(got.body), &found); err != nil {
		t.Fatalf("trace %s: %d %s: %v", id, got.status, got.body, err)
	}
	if got.status != http.StatusOK || len(found.Data) == 0 {
		return jaegerTrace{}
	}
	return found.Data[0]
}

// wantTrace waits until the viewer shows exactly the tree.
func wantTrace(t *testing.T, viewer, id, want string) jaegerTrace {
	t.Helper()
	want = strings.TrimPrefix(want, "\n")
	var got jaegerTrace
	defer func() {
		if diff := cmp.Diff(want, got.tree()); diff != "" {
			t.Errorf("trace %s (-want +got):\n%s", id, diff)
		}
	}()
	eventually(t, "such trace", func() bool {
		got = findTrace(t, viewer, id)
		return got.tree() == want
	})
	return got
}

// What each end of an order looks like from the outside of the gateway to the
// message that the customer gets.
const confirmedOrder = `
gateway: POST /api/v1/orders (server)
  gateway: shop.user.v1.UserService/ValidateUser (client)
    user: shop.user.v1.UserService/ValidateUser (server)
      user: SELECT users (client)
  gateway: shop.order.v1.OrderService/CreateOrder (client)
    order: shop.order.v1.OrderService/CreateOrder (server)
      order: INSERT events (client)
      order: INSERT sagas (client)
      order: INSERT outbox (client)
        order: publish orders.created (producer)
      order: place order (internal)
        order: shop.inventory.v1.InventoryService/Reserve (client)
          inventory: shop.inventory.v1.InventoryService/Reserve (server)
            inventory: SELECT reservations (client)
            inventory: INSERT reservations (client)
            inventory: UPDATE items (client)
            inventory: INSERT reservation_lines (client)
            inventory: INSERT outbox (client)
              inventory: publish inventory.updated (producer)
        order: INSERT events (client)
        order: shop.payment.v1.PaymentService/Charge (client)
          payment: shop.payment.v1.PaymentService/Charge (server)
            payment: SELECT charges (client)
            payment: INSERT charges (client)
            payment: POST psp (internal)
              payment: POST (client)
                psp: POST /charges (server)
                  psp: SELECT charges (client)
                  psp: INSERT charges (client)
                  psp: SELECT charges (client)
            payment: UPDATE charges (client)
            payment: SELECT charges (client)
            payment: INSERT outbox (client)
              payment: publish payments.processed (producer)
        order: INSERT events (client)
        order: shop.inventory.v1.InventoryService/Confirm (client)
          inventory: shop.inventory.v1.InventoryService/Confirm (server)
            inventory: UPDATE reservations (client)
        order: INSERT events (client)
        order: DELETE sagas (client)
        order: INSERT outbox (client)
          order: publish orders.confirmed (producer)
            notification: process orders.confirmed (consumer)
              notification: INSERT messages (client)
              notification: UPDATE messages (client)
`

const declinedOrder = `
gateway: POST /api/v1/orders (server)
  gateway: shop.user.v1.UserService/ValidateUser (client)
    user: shop.user.v1.UserService/ValidateUser (server)
      user: SELECT users (client)
  gateway: shop.order.v1.OrderService/CreateOrder (client) ERROR
    order: shop.order.v1.OrderService/CreateOrder (server)
      order: INSERT events (client)
      order: INSERT sagas (client)
      order: INSERT outbox (client)
        order: publish orders.created (producer)
      order: place order (internal) ERROR
        order: shop.inventory.v1.InventoryService/Reserve (client)
          inventory: shop.inventory.v1.InventoryService/Reserve (server)
            inventory: SELECT reservations (client)
            inventory: INSERT reservations (client)
            inventory: UPDATE items (client)
            inventory: INSERT reservation_lines (client)
            inventory: INSERT outbox (client)
              inventory: publish inventory.updated (producer)
        order: INSERT events (client)
        order: shop.payment.v1.PaymentService/Charge (client) ERROR
          payment: shop.payment.v1.PaymentService/Charge (server)
            payment: SELECT charges (client)
            payment: INSERT charges (client)
            payment: POST psp (internal) ERROR
              payment: POST (client) ERROR
                psp: POST /charges (server)
                  psp: SELECT charges (client)
                  psp: INSERT charges (client)
                  psp: SELECT charges (client)
            payment: UPDATE charges (client)
            payment: SELECT charges (client)
            payment: INSERT outbox (client)
              payment: publish payments.processed (producer)
        order: INSERT events (client)
        order: shop.inventory.v1.InventoryService/Release (client)
          inventory: shop.inventory.v1.InventoryService/Release (server)
            inventory: SELECT reservations (client)
            inventory: UPDATE items SELECT reservation_lines (client)
            inventory: UPDATE reservations (client)
            inventory: INSERT outbox (client)
              inventory: publish inventory.updated (producer)
        order: INSERT events (client)
        order: INSERT events (client)
        order: DELETE sagas (client)
        order: INSERT outbox (client)
          order: publish orders.cancelled (producer)
            notification: process orders.cancelled (consumer)
              notification: INSERT messages (client)
              notification: UPDATE messages (client)
`

const soldOutOrder = `
gateway: POST /api/v1/orders (server)
  gateway: shop.user.v1.UserService/ValidateUser (client)
    user: shop.user.v1.UserService/ValidateUser (server)
      user: SELECT users (client)
  gateway: shop.order.v1.OrderService/CreateOrder (client) ERROR
    order: shop.order.v1.OrderService/CreateOrder (server)
      order: INSERT events (client)
      order: INSERT sagas (client)
      order: INSERT outbox (client)
        order: publish orders.created (producer)
      order: place order (internal) ERROR
        order: shop.inventory.v1.InventoryService/Reserve (client) ERROR
          inventory: shop.inventory.v1.InventoryService/Reserve (server)
            inventory: SELECT reservations (client)
            inventory: INSERT reservations (client)
            inventory: UPDATE items (client)
            inventory: SELECT items (client)
        order: INSERT events (client)
        order: INSERT events (client)
        order: DELETE sagas (client)
        order: INSERT outbox (client)
          order: publish orders.cancelled (producer)
            notification: process orders.cancelled (consumer)
              notification: INSERT messages (client)
              notification: UPDATE messages (client)
`
