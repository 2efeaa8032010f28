package export

import (
	"sync"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// Status is how a destination is doing.
type Status struct {
	Signal      journal.Signal
	Destination string
	// Reader is the name of its cursor in the journal.
	Reader string
	// Oldest is when the oldest record was appended that it has yet to answer
	// for; zero where there is none.
	Oldest time.Time
	// FailingSince is when the first attempt failed of those that have failed
	// since the last answer; zero where it answers.
	FailingSince time.Time
	// LastError is the last reason why it did not take something, of LastErrorAt;
	// both are zero where it took everything.
	LastError   string
	LastErrorAt time.Time
}

// condition is what changes of a Status. It is safe for concurrent use.
type condition struct {
	mu     sync.Mutex
	status Status
}

func (c *condition) get() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// waits notes since when the oldest record waits that is to be delivered; the
// zero time says that there is none.
func (c *condition) waits(since time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Oldest = since
}

// failed notes an attempt that has to be repeated, and returns since when they
// all have failed.
func (c *condition) failed(reason string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.LastError, c.status.LastErrorAt = reason, time.Now()
	if c.status.FailingSince.IsZero() {
		c.status.FailingSince = c.status.LastErrorAt
	}
	return c.status.FailingSince
}

// answered notes that the destination answers, and returns since when it did
// not; the zero time says that it did.
func (c *condition) answered() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	since := c.status.FailingSince
	c.status.FailingSince = time.Time{}
	return since
}

// refused notes what it did not take.
func (c *condition) refused(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.LastError, c.status.LastErrorAt = reason, time.Now()
}
