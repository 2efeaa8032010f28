package export

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/file"
	"github.com/waybill-dev/waybill/collector/wire"
)

// letters reads a directory of dead letters, which nobody else has open.
func letters(t *testing.T, dir string) []journal.Record {
	t.Helper()
	j, err := file.Open(file.Config{Dir: dir}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	reader, err := j.Reader("")
	if err != nil {
		t.Fatal(err)
	}
	var all []journal.Record
	for next := j.Stats().Oldest; next < j.Stats().End; {
		records, err := reader.Next(t.Context(), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range records {
			record.Payload = bytes.Clone(record.Payload)
			all, next = append(all, record), record.Next
		}
	}
	return all
}

func refuseBad(request exporttest.Request) exporttest.Answer {
	if strings.Contains(string(request.Body), "bad-") {
		return exporttest.Answer{Status: http.StatusBadRequest, Header: map[string]string{"Content-Type": "text/plain"}, Body: []byte("not so")}
	}
	return exporttest.Answer{}
}

// TestDeadLetters finds what was refused before and after a restart, and that
// it still is an OTLP request.
func TestDeadLetters(t *testing.T) {
	r := newRig(t)
	r.backend.Decide(refuseBad)
	began := time.Now()
	var want []struct {
		offset  journal.Offset
		request []byte
	}
	appendBad := func(names ...string) {
		want = append(want, struct {
			offset  journal.Offset
			request []byte
		}{r.journal.Stats().End, requestOf(t, names...)})
		r.append(names...)
	}
	r.append("a")
	appendBad("bad-1", "bad-2")
	r.start()
	r.waitFor("a")
	r.waitCommitted()
	r.stop()
	r.start()
	appendBad("bad-3")
	r.append("b")
	r.waitFor("a", "b")
	r.waitCommitted()
	r.stop()

	got := letters(t, filepath.Join(r.cfg.DeadLetters.Dir, "traces-default"))
	if len(got) != 2 || got[0].Items != 2 || got[1].Items != 1 || got[0].Signal != journal.Traces {
		t.Fatalf("%d letters: %+v", len(got), got)
	}
	for i, record := range got {
		letter, err := ReadDeadLetter(record)
		if err != nil {
			t.Fatal(err)
		}
		if letter.Destination != "default" || letter.Reason != "400 Bad Request: not so" || !bytes.Equal(letter.Request, want[i].request) ||
			letter.Offset != want[i].offset || letter.Accepted.Before(began) || record.Time.Before(letter.Accepted) {
			t.Errorf("letter %d: %+v, set aside at %v, want %+v", i, letter, record.Time, want[i])
		}
		var request coltracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(record.Payload, &request); err != nil || len(request.GetResourceSpans()) != 1 {
			t.Errorf("letter %d is no OTLP request: %v", i, err)
		}
		if n, err := wire.CountSpans(record.Payload); err != nil || n != int(record.Items) {
			t.Errorf("letter %d: %d spans, %v", i, n, err)
		}
	}
}

// TestOldDeadLettersMakeRoom keeps the newest, counts what is lost, and forgets who has read them by
// name.
func TestOldDeadLettersMakeRoom(t *testing.T) {
	cfg := DeadLetters{Dir: t.TempDir(), MaxBytes: minDeadLetters, WhenFull: WhenFullDropOldest}
	box, lost := newLetterBox(cfg, journal.Logs, "x", slog.New(slog.DiscardHandler)), uint64(0)
	large := requestOf(t, strings.Repeat("x", 100<<10))
	put := func(i int) {
		t.Helper()
		letter := DeadLetter{Destination: "x", Offset: journal.Offset(i), Accepted: time.Unix(0, 7), Request: large}
		bytes, err := box.put(t.Context(), journal.Logs, 1, letter)
		if err != nil {
			t.Fatal(err)
		}
		lost += bytes
	}
	for i := range 30 {
		put(i)
	}
	if err := box.close(); err != nil {
		t.Fatal(err)
	}
	holdBack(t, box.cfg)
	box.journal = nil
	for i := range 30 {
		put(30 + i)
	}
	if stats := box.journal.Stats(); stats.Bytes > minDeadLetters || len(stats.Cursors) > 0 || lost != uint64(stats.Oldest) {
		t.Errorf("%d bytes lost; %+v", lost, stats)
	}
	tooLarge := DeadLetter{Request: make([]byte, minDeadLetters/2)}
	if _, err := box.put(t.Context(), journal.Logs, 1, tooLarge); err == nil {
		t.Error("kept what is larger than half of the budget")
	}
	if err := box.close(); err != nil {
		t.Fatal(err)
	}
	records := letters(t, box.cfg.Dir)
	if len(records) < 5 {
		t.Errorf("%d letters are left of 1 MiB", len(records))
	}
	for i, record := range records {
		letter, err := ReadDeadLetter(record)
		if want := journal.Offset(60 - len(records) + i); err != nil || letter.Offset != want {
			t.Errorf("letter %d is number %d, want %d: %v", i, letter.Offset, want, err)
		}
	}
}

// TestDeadLettersWait for room when nothing may be lost, before and after a
// restart, and have it when the budget grows.
func TestDeadLettersWait(t *testing.T) {
	r := newRig(t)
	r.cfg.DeadLetters.MaxBytes = minDeadLetters
	r.backend.Decide(refuseBad)
	const all = 30
	for i := range all {
		r.append(fmt.Sprintf("bad-%d%0100000d", i, 0))
		r.append("good")
	}
	r.start()
	full := func() bool { return strings.Contains(r.log.String(), "cannot be set aside") }
	r.eventually("there is no room", full)
	r.stop()
	kept := r.items("dead_lettered")
	if kept < 5 || kept > 10 || r.items("dropped") != 0 {
		t.Errorf("%v kept and %v dropped of 1 MiB", kept, r.items("dropped"))
	}
	r.log = &logBuffer{}
	r.start()
	r.eventually("there is no room again", full)
	if status := r.running.Status()[0]; status.FailingSince.IsZero() || !strings.Contains(status.LastError, "full") {
		t.Errorf("%+v", status)
	}
	cfg := r.cfg
	cfg.DeadLetters.MaxBytes = 64 << 20
	if err := r.running.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	r.waitCommitted()
	if status := r.running.Status()[0]; !status.FailingSince.IsZero() {
		t.Errorf("%+v", status)
	}
	r.stop()
	got := map[journal.Offset]bool{} // One that was set aside as the forwarder stopped may be there twice.
	for _, record := range letters(t, filepath.Join(r.cfg.DeadLetters.Dir, "traces-default")) {
		letter, err := ReadDeadLetter(record)
		if err != nil {
			t.Fatal(err)
		}
		got[letter.Offset] = true
	}
	if len(got) != all {
		t.Errorf("%d letters of %d", len(got), all)
	}
}

// holdBack leaves a cursor at the oldest letter.
func holdBack(t *testing.T, cfg file.Config) {
	t.Helper()
	j, err := file.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Reader("somebody"); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDeadLettersThatCannotBeKept are dropped where the configuration has it so,
// and the line goes on.
func TestDeadLettersThatCannotBeKept(t *testing.T) {
	obstacle := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(obstacle, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for why, cfg := range map[string]DeadLetters{
		"not a directory":           {Dir: obstacle, MaxBytes: 128 << 20, WhenFull: WhenFullDropOldest},
		"dead letters are not kept": {Dir: t.TempDir()},
	} {
		r := newRig(t)
		r.cfg.DeadLetters = cfg
		r.backend.Decide(refuseBad)
		r.append("bad-1")
		r.append("a")
		r.start()
		r.waitFor("a")
		r.waitCommitted()
		if kept, dropped := r.items("dead_lettered"), r.items("dropped"); kept != 0 || dropped != 1 {
			t.Errorf("%s: %v kept and %v dropped, want 0 and 1", why, kept, dropped)
		}
		if !strings.Contains(r.log.String(), why) {
			t.Errorf("the log does not say that %s:\n%s", why, r.log)
		}
	}
}

// TestStoppingWhileSettingAside leaves the record for the next start.
func TestStoppingWhileSettingAside(t *testing.T) {
	r := newRig(t)
	r.start()
	f := r.running.forwarders["export-traces"]
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.setAside(ctx, ctx, journal.Record{Signal: journal.Traces, Items: 1, Time: time.Now()}, "no"); err == nil {
		t.Error("set aside without a letter")
	}
	if got := r.items("dropped"); got != 0 {
		t.Errorf("%v dropped", got)
	}
}

func FuzzReadDeadLetter(f *testing.F) {
	f.Add([]byte(nil), "default", "no", uint64(7), int64(9))
	f.Add([]byte("\x0a\x02\x12\x00"), "x", "\xff", uint64(1)<<63, int64(-1))
	f.Add(DeadLetter{Reason: "twice"}.encode(), "x", "", uint64(0), int64(0))
	f.Fuzz(func(t *testing.T, request []byte, destination, reason string, offset uint64, nanos int64) {
		_, _ = ReadDeadLetter(journal.Record{Payload: request}) // It must not panic.
		want := DeadLetter{Destination: destination, Reason: reason, Offset: journal.Offset(offset), Accepted: time.Unix(0, nanos), Request: request}
		got, err := ReadDeadLetter(journal.Record{Payload: want.encode()})
		if !wellFormed(request) {
			return // The field after it cannot be found for certain.
		}
		if diff := cmp.Diff(fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got)); diff != "" || err != nil {
			t.Error(diff, err)
		}
	})
}

func wellFormed(message []byte) bool {
	for len(message) > 0 {
		_, _, n := protowire.ConsumeField(message)
		if n < 0 {
			return false
		}
		message = message[n:]
	}
	return true
}
