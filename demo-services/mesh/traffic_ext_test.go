package mesh_test

import (
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/waybill-dev/waybill/demo-services/mesh/control"
	"github.com/waybill-dev/waybill/demo-services/registry"
)

// callUntil calls until the answer is yes, and no call may fail.
func callUntil(t *testing.T, conn *grpc.ClientConn, call func(*testing.T, *grpc.ClientConn) error, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * patience); !done(); time.Sleep(2 * time.Millisecond) {
		if err := call(t, conn); err != nil {
			t.Fatalf("a call is lost before there is %s: %v", what, err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v there is no %s", 2*patience, what)
		}
	}
}

// TestRotation calls for longer than any certificate lasts that there was at
// the start.
func TestRotation(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *control.Config) { c.Lifetime = 10 * time.Second })
	s := w.serve(t, "inventory", "inventory-1", "v1")
	w.directory.set("inventory", s.Instance)
	conn := dial(t, w.member(t, "order", "order-1"), "inventory")
	ends := time.Now().Add(w.config.Lifetime + time.Second)
	callUntil(t, conn, reserve, "third certificate", func() bool { return time.Now().After(ends) && s.certificates() >= 3 })
	t.Logf("%d calls with %d certificates", s.calls.Load(), s.certificates())
}

func TestInstancesComeAndGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	conn := dial(t, w.member(t, "order", "order-1"), "inventory")
	first, second := w.serve(t, "inventory", "inventory-1", "v1"), w.serve(t, "inventory", "inventory-2", "v1")

	// The first call waits for an instance.
	waiting := make(chan error, 1)
	go func() { waiting <- reserve(t, conn) }()
	lost := registry.Instance{Service: "inventory", ID: "inventory-9", Address: "nowhere"}
	w.directory.set("inventory", first.Instance, lost)
	if err := <-waiting; err != nil {
		t.Fatalf("the call that waited: %v", err)
	}
	w.directory.set("inventory", first.Instance, second.Instance)
	callUntil(t, conn, reserve, "calls to the second", func() bool { return second.calls.Load() > 5 })

	// One that is killed stays in the registry for a while.
	first.stop()
	before := second.calls.Load()
	callUntil(t, conn, reserve, "calls to the second alone", func() bool { return second.calls.Load() > before+50 })

	third := w.serve(t, "inventory", "inventory-3", "v1")
	w.directory.set("inventory", third.Instance)
	callUntil(t, conn, reserve, "calls to the third", func() bool { return third.calls.Load() > 5 })
	before = second.calls.Load()
	callUntil(t, conn, reserve, "calls to the third alone", func() bool { return third.calls.Load() > 50 })
	if after := second.calls.Load(); after != before {
		t.Errorf("%d calls went to the second, which has left", after-before)
	}

	w.directory.set("inventory")
	eventually(t, "failing call when all have left", func() bool { return reserve(t, conn) != nil })
	w.directory.set("inventory", third.Instance)
	eventually(t, "call when one is back", func() bool { return reserve(t, conn) == nil })
}

func TestCanary(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *control.Config) { c.Routes[1].Split = map[string]uint32{"v1": 80, "v2": 20} })
	old, canary := w.serve(t, "payment", "payment-1", "v1"), w.serve(t, "payment", "payment-2", "v2")
	w.directory.set("payment", canary.Instance)
	conn := dial(t, w.member(t, "order", "order-1"), "payment")
	if err := charge(t, conn); err != nil {
		t.Fatalf("while there is no v1: %v", err)
	}
	w.directory.set("payment", old.Instance, canary.Instance)
	callUntil(t, conn, charge, "calls to v1", func() bool { return old.calls.Load() > 0 })

	const calls = 1000
	before := canary.calls.Load()
	for range calls {
		if err := charge(t, conn); err != nil {
			t.Fatal(err)
		}
	}
	// The standard deviation is 13 calls; these are more than 7 of them.
	if got := canary.calls.Load() - before; got < 100 || got > 300 {
		t.Errorf("v2 got %d of %d calls, want about 200", got, calls)
	}
	// A version that nobody has weighed gets nothing.
	unweighed := w.serve(t, "payment", "payment-3", "v3")
	w.directory.set("payment", old.Instance, unweighed.Instance)
	callUntil(t, conn, charge, "calls to v1 alone", func() bool {
		before := canary.calls.Load()
		for range 50 {
			if err := charge(t, conn); err != nil {
				t.Fatal(err)
			}
		}
		return canary.calls.Load() == before
	})
	if n := unweighed.calls.Load(); n != 0 {
		t.Errorf("v3 got %d calls", n)
	}
	w.directory.set("payment", unweighed.Instance)
	callUntil(t, conn, charge, "calls to v3 when it is all there is", func() bool { return unweighed.calls.Load() > 0 })
}

// TestControlPlaneEndsAndStarts has clients go on without it, and learn what has
// changed when it is back.
func TestControlPlaneEndsAndStarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	first := w.serve(t, "inventory", "inventory-1", "v1")
	second := w.serve(t, "inventory", "inventory-2", "v1")
	w.directory.set("inventory", first.Instance)
	conn := dial(t, w.member(t, "order", "order-1"), "inventory")
	if err := reserve(t, conn); err != nil {
		t.Fatal(err)
	}
	w.plane.Close()
	callUntil(t, conn, reserve, "100 calls without a control plane", func() bool { return first.calls.Load() > 100 })

	// It knows nobody when it starts.
	w.directory.set("inventory")
	w.start(t)
	before := first.calls.Load()
	callUntil(t, conn, reserve, "calls while the control plane knows nobody", func() bool { return first.calls.Load() > before+200 })
	w.directory.set("inventory", second.Instance)
	callUntil(t, conn, reserve, "calls to whom only the new one knows", func() bool { return second.calls.Load() > 0 })

	// Members of before believe those that come now.
	late := dial(t, w.member(t, "order", "order-2"), "inventory")
	if err := reserve(t, late); err != nil {
		t.Errorf("one who has joined later: %v", err)
	}
}
