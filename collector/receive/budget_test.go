package receive

import (
	"sync"
	"testing"
)

// testLease is on a budget of its own, and must be given back.
func testLease(t testing.TB) *lease {
	t.Helper()
	l := &lease{budget: &budget{max: 1 << 30}}
	t.Cleanup(l.release)
	return l
}

func TestBudgetIsNeverExceeded(t *testing.T) {
	b := &budget{max: 1000}
	var taking sync.WaitGroup
	for range 8 {
		taking.Go(func() {
			for i := range 2000 {
				l := lease{budget: b}
				if err := l.take(int64(i%400 + 1)); err == nil && b.used.Load() > b.max {
					t.Errorf("%d bytes are in use, more than %d", b.used.Load(), b.max)
				}
				l.release()
			}
		})
	}
	taking.Wait()
	if used := b.used.Load(); used != 0 {
		t.Errorf("%d bytes are in use after all was given back", used)
	}
}

func TestLeaseTellsNowFromNever(t *testing.T) {
	b := &budget{max: 1000}
	mine, other := lease{budget: b}, lease{budget: b}
	outcomeOf := func(err error) outcome {
		if err == nil {
			return outcomeAccepted
		}
		return refusalOf(err).outcome
	}
	steps := []struct {
		name string
		got  outcome
		want outcome
	}{
		{"a part", outcomeOf(mine.take(600)), outcomeAccepted},
		{"more than is left by others", outcomeOf(other.take(500)), outcomeOverloaded},
		{"what is left by others", outcomeOf(other.take(400)), outcomeAccepted},
		{"more than there is at all", outcomeOf(mine.take(401)), outcomeTooLarge},
		{"all that there is at all", outcomeOf(mine.take(400)), outcomeOverloaded},
	}
	for _, step := range steps {
		if step.got != step.want {
			t.Errorf("%s: %s, want %s", step.name, step.got, step.want)
		}
	}
	other.release()
	if err := mine.take(400); err != nil || mine.held != 1000 {
		t.Errorf("alone: %v with %d bytes held, want all 1000", err, mine.held)
	}
	mine.release()
}
