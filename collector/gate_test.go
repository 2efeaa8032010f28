package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// failing is a journal that does not take anything.
type failing struct {
	journal.Journal
	err error
}

func (f failing) Append(context.Context, journal.Signal, uint32, []byte) (journal.Offset, error) {
	return 7, f.err
}

func TestGateNotesWhatReadinessIsAbout(t *testing.T) {
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		ctx  context.Context
		err  error
		want string
	}{
		{t.Context(), nil, ""},
		{t.Context(), fmt.Errorf("append: %w", journal.ErrFull), "the journal is full"},
		{t.Context(), fmt.Errorf("%w: %w", journal.ErrFull, syscall.ENOSPC), "the journal's disk is full"},
		{t.Context(), errors.New("input/output error"), "the journal cannot store them"},
		{t.Context(), fmt.Errorf("append: %w", journal.ErrTooLarge), ""},
		{t.Context(), journal.ErrClosed, ""},
		{gone, context.Canceled, ""},
	} {
		var log strings.Builder
		g := &gate{Journal: failing{err: test.err}, logger: slog.New(slog.NewTextHandler(&log, nil))}
		began := time.Now()
		if off, err := g.Append(test.ctx, journal.Traces, 1, nil); off != 7 || !errors.Is(err, test.err) {
			t.Errorf("%v: Append = %d, %v", test.err, off, err)
		}
		_, _ = g.Append(test.ctx, journal.Traces, 1, nil)
		if told := strings.Count(log.String(), "requests are refused"); told > 1 || (told == 1) != (test.want != "") {
			t.Errorf("%v: logged %s", test.err, log.String())
		}
		last := g.lastRefusal()
		if last.Reason != test.want || test.want != "" && last.At.Before(began) || test.want == "" && !last.At.IsZero() {
			t.Errorf("%v: %+v, want %q", test.err, last, test.want)
		}
	}
}
