package file

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// TestNobodyIsForgotten: whoever appends is answered, whatever else the committer
// has to do.
func TestNobodyIsForgotten(t *testing.T) {
	cfg := testConfig(t)
	cfg.Sync, cfg.MaxAge, cfg.Retain = SyncNever, time.Hour, true
	j := mustOpen(t, cfg)
	defer mustClose(t, j)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	quit := make(chan struct{})
	var aging, appending sync.WaitGroup
	aging.Go(func() { // The ages of segments are looked at all the time.
		for {
			select {
			case j.tick <- struct{}{}:
			case <-quit:
				return
			}
		}
	})
	for i := range 4 {
		appending.Go(func() {
			for n := range 500 {
				if _, err := j.Append(ctx, journal.Traces, 1, text(n, 100)); err != nil {
					t.Errorf("appender %d, record %d: %v", i, n, err)
					return
				}
			}
		})
	}
	appending.Wait()
	close(quit)
	aging.Wait()
}

// TestAppendersAtTheEnd: closing answers each of them, and writes nothing after.
func TestAppendersAtTheEnd(t *testing.T) {
	for range 20 {
		j := mustOpen(t, testConfig(t))
		var appending sync.WaitGroup
		begun := make(chan struct{}, 4)
		for range cap(begun) {
			appending.Go(func() {
				var err error
				for n := 0; err == nil; n++ {
					_, err = j.Append(t.Context(), journal.Traces, 1, text(n, 100))
					if n == 0 {
						begun <- struct{}{}
					}
				}
				if !errors.Is(err, journal.ErrClosed) {
					t.Errorf("an appender ended with %v", err)
				}
			})
		}
		for range cap(begun) {
			<-begun
		}
		mustClose(t, j)
		appending.Wait()
	}
}
