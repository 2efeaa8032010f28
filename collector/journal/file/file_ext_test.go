package file_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/file"
	"github.com/waybill-dev/waybill/collector/journal/journaltest"
)

func TestJournal(t *testing.T) {
	for name, cfg := range map[string]file.Config{
		"plain":     {MaxBytes: 64 << 10, SegmentBytes: 16 << 10, Sync: file.SyncAlways},
		"interval":  {MaxBytes: 64 << 10, SegmentBytes: 8 << 10, Sync: file.SyncInterval, SyncInterval: time.Millisecond},
		"unsynced":  {MaxBytes: 96 << 10, SegmentBytes: 8 << 10, Sync: file.SyncNever},
		"retaining": {MaxBytes: 128 << 10, SegmentBytes: 64 << 10, Sync: file.SyncNever, Retain: true},
	} {
		t.Run(name, func(t *testing.T) {
			journaltest.Run(t, func(t *testing.T) journal.Journal {
				cfg.Dir = t.TempDir()
				j, err := file.Open(cfg, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				return j
			})
		})
	}
}
