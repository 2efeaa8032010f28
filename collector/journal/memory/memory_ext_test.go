package memory_test

import (
	"testing"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/journaltest"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

func TestJournal(t *testing.T) {
	for name, retain := range map[string]bool{"plain": false, "retaining": true} {
		t.Run(name, func(t *testing.T) {
			journaltest.Run(t, func(*testing.T) journal.Journal {
				return memory.New(memory.Config{MaxBytes: 256 << 10, Retain: retain})
			})
		})
	}
}

func TestCommittedRecordsGoAtOnce(t *testing.T) {
	for name, retain := range map[string]bool{"plain": false, "retaining": true} {
		t.Run(name, func(t *testing.T) {
			j := memory.New(memory.Config{Retain: retain})
			if _, err := j.Append(t.Context(), journal.Traces, 1, make([]byte, 1000)); err != nil {
				t.Fatal(err)
			}
			r, err := j.Reader("forward")
			if err != nil {
				t.Fatal(err)
			}
			records, err := r.Next(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Commit(records[0].Next); err != nil {
				t.Fatal(err)
			}
			if held := j.Stats().Bytes > 0; held != retain {
				t.Errorf("record is held: %v, want %v", held, retain)
			}
		})
	}
}

func TestForget(t *testing.T) {
	j := memory.New(memory.Config{MaxBytes: 4096})
	r, err := j.Reader("old")
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Forget("old"); err == nil {
		t.Error("a reader that is open was forgotten")
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Forget("old"); err != nil {
		t.Fatal(err)
	}
	if err := j.Forget("old"); err == nil {
		t.Error("an unknown reader was forgotten")
	}
	for range 10 {
		if _, err := j.Append(t.Context(), journal.Traces, 1, make([]byte, 1000)); err != nil {
			t.Fatalf("append: %v: the forgotten reader holds records", err)
		}
	}
}
