package sample

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// damaged says that there is more than can be read.
type damaged struct{ journal.Journal }

func (d damaged) Stats() journal.Stats {
	stats := d.Journal.Stats()
	stats.End += 100
	return stats
}

// TestDamagedDecisionsAreNotWaitedFor: a collector starts without them.
func TestDamagedDecisionsAreNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := memories()
		spans := appendDecision(nil, idOf(1), decision{through: 5})
		if _, err := j.Decisions.Append(t.Context(), journal.Traces, 1, decisionsRequest(spans)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		m := newRemembered(10, func() {})
		if err := recall(ctx, damaged{j.Decisions}, 1000, m); err != nil {
			t.Error(err)
		}
		if _, known := m.get(idOf(1)); !known {
			t.Error("what can be read is not remembered")
		}
	})
}
