package push

import (
	"fmt"
	"testing"
	"time"
)

// TestMemoryIsBounded has a backend that is down for long, while series come
// and go.
func TestMemoryIsBounded(t *testing.T) {
	m, shop, now := newMemory(), newShop(), opened
	take := func() (live, gone int) {
		families, err := shop.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range m.take(families, now) {
			if one.gone {
				gone++
			} else {
				live++
			}
		}
		return live, gone
	}
	for i := range 3 {
		shop.close()
		for j := range 15_000 {
			shop.order(fmt.Sprint(i, "-", j), 1)
		}
		now = now.Add(time.Second)
		if live, gone := take(); live != 30_000 || gone != min(30_000*i, maxGone) {
			t.Errorf("round %d: %d metrics are there, %d gone", i, live, gone)
		}
	}
	if len(m.known) > 30_000+maxGone {
		t.Errorf("%d metrics are known", len(m.known))
	}
	now = now.Add(endFor)
	if _, gone := take(); gone != 0 || len(m.known) != 30_000 {
		t.Errorf("later %d are gone and %d known", gone, len(m.known))
	}
	// What comes back before its end was told needs none.
	shop.close()
	shop.order("back", 1)
	take()
	shop.close()
	if _, gone := take(); gone != 30_002 {
		t.Errorf("%d are gone", gone)
	}
	shop.order("back", 1)
	if live, gone := take(); live != 2 || gone != 30_000 {
		t.Errorf("%d are there, %d gone", live, gone)
	}
}
