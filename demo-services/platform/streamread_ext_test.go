package platform_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

func TestStreamIsRead(t *testing.T) {
	b := newTestBus(t)
	read := func(stream string) (all []string, complete bool) {
		t.Helper()
		complete, err := platform.ReadStream(t.Context(), b.url, stream, func(subject string, payload []byte) {
			var e platform.Event
			if err := json.Unmarshal(payload, &e); err != nil {
				e.ID = string(payload)
			}
			all = append(all, subject+" "+e.ID)
		})
		if err != nil {
			t.Fatal(err)
		}
		return all, complete
	}
	if got, complete := read(platform.StreamOrders); len(got) != 0 || !complete {
		t.Errorf("an empty stream has %v, complete: %v", got, complete)
	}
	if got, complete := read("NOWHERE"); len(got) != 0 || !complete {
		t.Errorf("a stream that is not there has %v, complete: %v", got, complete)
	}
	for _, id := range []string{"evt_1", "evt_2", "evt_1"} { // The last one is dropped.
		b.publish(t, id, event(t, id), nil)
	}
	b.publish(t, "noise", []byte("{"), nil)
	messages, complete := read(platform.StreamOrders)
	if diff := cmp.Diff([]string{"orders.confirmed evt_1", "orders.confirmed evt_2", "orders.confirmed {"}, messages); diff != "" || !complete {
		t.Errorf("complete: %v; messages (-want +got):\n%s", complete, diff)
	}
	stream, err := b.js.Stream(t.Context(), platform.StreamOrders)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if got, complete := read(platform.StreamOrders); len(got) != 2 || complete {
		t.Errorf("a stream that has lost its first event has %v, complete: %v", got, complete)
	}
	if _, err := platform.ReadStream(t.Context(), "nats://127.0.0.1:1", platform.StreamOrders, nil); err == nil {
		t.Error("somebody listens on port 1")
	}
}
