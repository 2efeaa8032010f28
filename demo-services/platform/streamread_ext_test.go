package platform_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

func TestStreamIsRead(t *testing.T) {
	b := newTestBus(t)
	read := func(stream string) (ids []string, complete bool) {
		t.Helper()
		complete, err := platform.ReadStream(t.Context(), b.url, stream, func(subject string, e platform.Event) {
			ids = append(ids, subject+" "+e.ID)
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids, complete
	}
	if ids, complete := read(platform.StreamOrders); len(ids) != 0 || !complete {
		t.Errorf("an empty stream has %v, complete: %v", ids, complete)
	}
	if ids, complete := read("NOWHERE"); len(ids) != 0 || !complete {
		t.Errorf("a stream that is not there has %v, complete: %v", ids, complete)
	}
	for _, id := range []string{"evt_1", "evt_2", "evt_1"} { // The last one is dropped.
		b.publish(t, id, event(t, id), nil)
	}
	b.publish(t, "noise", []byte("{"), nil)
	ids, complete := read(platform.StreamOrders)
	if diff := cmp.Diff([]string{"orders.confirmed evt_1", "orders.confirmed evt_2"}, ids); diff != "" || !complete {
		t.Errorf("complete: %v; events (-want +got):\n%s", complete, diff)
	}
	stream, err := b.js.Stream(t.Context(), platform.StreamOrders)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.DeleteMsg(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if ids, complete := read(platform.StreamOrders); len(ids) != 1 || complete {
		t.Errorf("a stream that has lost its first event has %v, complete: %v", ids, complete)
	}
	if _, err := platform.ReadStream(t.Context(), "nats://127.0.0.1:1", platform.StreamOrders, nil); err == nil {
		t.Error("somebody listens on port 1")
	}
}
