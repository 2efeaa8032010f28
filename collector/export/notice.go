package export

import (
	"log/slog"
	"time"
)

// noticeEvery is how often a lasting trouble is logged.
const noticeEvery = time.Minute

// notices keep a forwarder from logging what happens once per request.
type notices struct {
	logger *slog.Logger

	down    time.Time // since when the backend is not to be had
	downAt  time.Time // when that was logged last
	lossAt  time.Time // when a loss was logged last
	unsaid  uint64    // items lost since
	troubAt time.Time // when the journal's trouble was logged last
}

// failed notes an attempt that will be repeated.
func (n *notices) failed(reason string, next time.Duration) {
	now := time.Now()
	if n.down.IsZero() {
		n.down = now
	}
	if now.Sub(n.downAt) < noticeEvery {
		return
	}
	n.downAt = now
	n.logger.Warn("backend is not to be had; the journal holds what is for it",
		"reason", reason, "since", n.down.UTC().Format(time.RFC3339), "next_attempt_in", next.Round(time.Millisecond))
}

// answered notes that the backend is there.
func (n *notices) answered() {
	if n.down.IsZero() {
		return
	}
	if !n.downAt.IsZero() {
		n.logger.Info("backend is back", "after", time.Since(n.down).Round(time.Millisecond))
	}
	n.down, n.downAt = time.Time{}, time.Time{}
}

// lost notes items that the backend will never have.
func (n *notices) lost(items uint64, message, reason string) {
	n.unsaid += items
	if now := time.Now(); now.Sub(n.lossAt) >= noticeEvery {
		n.lossAt = now
		n.logger.Error(message, "items", n.unsaid, "reason", reason)
		n.unsaid = 0
	}
}

// journal notes that the journal cannot be read or committed to.
func (n *notices) journal(message string, err error) {
	if now := time.Now(); now.Sub(n.troubAt) >= noticeEvery {
		n.troubAt = now
		n.logger.Error(message, "error", err)
	}
}
