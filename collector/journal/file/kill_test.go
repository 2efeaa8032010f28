package file

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// The variables that make this binary the child of TestKill.
const (
	childDir  = "WAYBILL_JOURNAL_CHILD_DIR"
	childFrom = "WAYBILL_JOURNAL_CHILD_FROM"
	childSync = "WAYBILL_JOURNAL_CHILD_SYNC"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, appendUntilKilled(killConfig(dir, SyncMode(os.Getenv(childSync))), os.Getenv(childFrom)))
		return
	}
	m.Run()
}

// killConfig rolls segments often. The child syncs, so that a kill can hit
// between write and sync.
func killConfig(dir string, mode SyncMode) Config {
	return Config{Dir: dir, MaxBytes: 64 << 20, SegmentBytes: 64 << 10, Sync: mode, SyncInterval: 5 * time.Millisecond, Retain: true}
}

// appendUntilKilled is the child: four appenders that print the number and the
// offset of each record once it is acknowledged, and a reader that prints the
// cursor that it has committed. It does not end by itself.
func appendUntilKilled(cfg Config, from string) error {
	j, err := Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	first, err := strconv.Atoi(from)
	if err != nil {
		return err
	}
	var numbers, out sync.Mutex
	failed := make(chan error)
	say := func(format string, args ...any) {
		out.Lock()
		defer out.Unlock()
		_, _ = fmt.Fprintf(os.Stdout, format, args...) // Nobody reads: the kill is near.
	}
	for range 4 {
		go func() {
			for {
				numbers.Lock()
				n := first
				first++
				numbers.Unlock()
				off, err := j.Append(context.Background(), journal.Traces, uint32(n), text(n, 100+n%5000))
				if err != nil {
					failed <- err
					return
				}
				say("ack %d %d\n", n, off)
			}
		}()
	}
	go func() { failed <- commitForever(j, say) }()
	return <-failed
}

// commitForever reads and commits.
func commitForever(j *Journal, say func(string, ...any)) error {
	r, err := j.Reader("child")
	if err != nil {
		return err
	}
	for {
		records, err := r.Next(context.Background(), 10_000)
		if err != nil {
			return err
		}
		next := records[len(records)-1].Next
		if err := r.Commit(next); err != nil {
			return err
		}
		say("commit %d\n", next)
	}
}

// TestKill kills a process that appends, again and again, and checks each time
// that every record it acknowledged is there, in order, at the offset it said,
// and that its reader's cursor is where it was committed, or later.
func TestKill(t *testing.T) {
	for _, mode := range []SyncMode{SyncAlways, SyncInterval} {
		cfg := killConfig(t.TempDir(), mode)
		acked := map[int]journal.Offset{}
		var committed journal.Offset
		for round := range 6 {
			committed = max(committed, killChild(t, cfg, len(acked)*10+round*1_000_000, 50+150*round, acked))
			checkAcked(t, cfg, acked, committed)
		}
		if len(acked) < 1000 {
			t.Errorf("%s: the children acknowledged %d records only", mode, len(acked))
		}
	}
}

// killChild starts a child, kills it after some acknowledgements, and notes what
// it said. It returns the last cursor that the child committed.
func killChild(t *testing.T, cfg Config, from, acks int, acked map[int]journal.Offset) journal.Offset {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), childDir+"="+cfg.Dir, childFrom+"="+strconv.Itoa(from), childSync+"="+string(cfg.Sync))
	var stderr bytes.Buffer
	child.Stderr = &stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var committed journal.Offset
	count := 0
	for lines := bufio.NewReader(stdout); ; {
		line, err := lines.ReadString('\n')
		if err != nil { // io.EOF after the kill; a half line was not said.
			if !errors.Is(err, io.EOF) {
				t.Errorf("read child: %v", err)
			}
			break
		}
		var n int
		var off journal.Offset
		switch {
		case strings.HasPrefix(line, "ack "):
			if _, err := fmt.Sscanf(line, "ack %d %d", &n, &off); err != nil {
				t.Fatalf("child said %q: %v", line, err)
			}
			acked[n] = off
			count++
		default:
			if _, err := fmt.Sscanf(line, "commit %d", &committed); err != nil {
				t.Fatalf("child said %q: %v", line, err)
			}
		}
		if count == acks {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // It was killed.
	if stderr.Len() > 0 || count < acks {
		t.Fatalf("child acknowledged %d of %d and said: %s", count, acks, stderr.String())
	}
	return committed
}

// checkAcked opens the journal and compares.
func checkAcked(t *testing.T, cfg Config, acked map[int]journal.Offset, committed journal.Offset) {
	t.Helper()
	j := mustOpen(t, cfg)
	defer mustClose(t, j)
	found := map[int]bool{}
	for _, n := range held(t, j, "") { // Checks payloads and order.
		if found[n] {
			t.Errorf("record %d is there twice", n)
		}
		found[n] = true
	}
	for n, off := range acked {
		if !found[n] {
			t.Fatalf("record %d was acknowledged and is lost", n)
		}
		if record, err := j.At(off); err != nil || int(record.Items) != n {
			t.Fatalf("record %d was acknowledged at %d: found %d there, %v", n, off, record.Items, err)
		}
	}
	if cursor := j.Stats().Cursors["child"]; cursor < committed {
		t.Errorf("the cursor is at %d, %d was committed", cursor, committed)
	}
	if got := j.meters.damages.Load(); got != 0 {
		t.Errorf("%d damaged stretches after a kill", got)
	}
}
