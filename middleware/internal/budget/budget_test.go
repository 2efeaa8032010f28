package budget_test

import (
	"testing"

	"github.com/waybill-dev/waybill/middleware/internal/budget"
)

func TestBudgetIsASharePlusABurst(t *testing.T) {
	b := budget.New(0.25, 2)
	taken := func(calls int) (n int) {
		for range calls {
			b.Call()
		}
		for b.Take() {
			n++
		}
		return n
	}
	for _, step := range []struct{ calls, want int }{{0, 2}, {3, 0}, {1, 1}, {8, 2}, {100, 2}} {
		if got := taken(step.calls); got != step.want {
			t.Errorf("after %d more calls %d repetitions are allowed, want %d", step.calls, got, step.want)
		}
	}
}
