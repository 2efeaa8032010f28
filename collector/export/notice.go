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

	downAt    time.Time            // when it was logged last that the backend is down
	losses    map[string]*lossNote // by message
	troubleAt time.Time            // when the journal's trouble was logged last
	heldAt    time.Time            // when it was logged last that a dead letter has no room
}

// lossNote is what has been logged of one kind of loss.
type lossNote struct {
	at     time.Time
	unsaid uint64 // items lost since
}

// failed notes an attempt that will be repeated.
func (n *notices) failed(reason string, since time.Time, next time.Duration) {
	now := time.Now()
	if now.Sub(n.downAt) < noticeEvery {
		return
	}
	n.downAt = now
	n.logger.Warn("backend is not to be had; the journal holds what is for it",
		"reason", reason, "since", since.UTC().Format(time.RFC3339), "next_attempt_in", next.Round(time.Millisecond))
}

// answered notes that the backend, which was not to be had since then, is there.
func (n *notices) answered(since time.Time) {
	if !since.IsZero() && !n.downAt.IsZero() {
		n.logger.Info("backend is back", "after", time.Since(since).Round(time.Millisecond))
		n.downAt = time.Time{}
	}
}

// lost notes items that the backend will never have.
func (n *notices) lost(items uint64, message, reason string) {
	note := n.losses[message]
	if note == nil {
		note = &lossNote{}
		if n.losses == nil {
			n.losses = map[string]*lossNote{}
		}
		n.losses[message] = note
	}
	note.unsaid += items
	if now := time.Now(); now.Sub(note.at) >= noticeEvery {
		note.at = now
		n.logger.Error(message, "items", note.unsaid, "reason", reason)
		note.unsaid = 0
	}
}

// held notes that what the backend will not take cannot be set aside.
func (n *notices) held(reason string, err error) {
	if now := time.Now(); now.Sub(n.heldAt) >= noticeEvery {
		n.heldAt = now
		n.logger.Error("what the backend will not take cannot be set aside; the destination waits, and the journal holds what is for it",
			"reason", reason, "error", err)
	}
}

// smaller notes that the backend takes smaller batches only.
func (n *notices) smaller(bytes int, reason string) {
	n.logger.Warn("backend finds requests too large; batches become smaller", "max_batch_bytes", bytes, "reason", reason)
}

// journal notes that the journal cannot be read or committed to.
func (n *notices) journal(message string, err error) {
	if now := time.Now(); now.Sub(n.troubleAt) >= noticeEvery {
		n.troubleAt = now
		n.logger.Error(message, "error", err)
	}
}
