package httpmw

import (
	"sync"
	"time"
)

const (
	// abandonedAfter is how long nobody may read a response's body before it is
	// taken for forgotten.
	abandonedAfter = time.Minute
	// lookEvery is the least time between two looks for forgotten bodies.
	lookEvery = time.Second
)

// unread are the calls of a transport whose responses' bodies are not read to
// their end yet. They share one timer, which runs only while there are some:
// one for each would cost more than all the rest. It is safe for concurrent
// use.
type unread struct {
	mu    sync.Mutex
	first *call
	timer *time.Timer
	armed bool
}

func (u *unread) add(c *call) {
	u.mu.Lock()
	defer u.mu.Unlock()
	c.watched = true
	if c.next = u.first; c.next != nil {
		c.next.previous = c
	}
	u.first = c
	if !u.armed {
		u.arm(abandonedAfter)
	}
}

func (u *unread) remove(c *call) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !c.watched {
		return
	}
	c.watched = false
	if c.next != nil {
		c.next.previous = c.previous
	}
	if c.previous != nil {
		c.previous.next = c.next
	} else {
		u.first = c.next
	}
	c.previous, c.next = nil, nil
}

func (u *unread) arm(after time.Duration) {
	u.armed = true
	if u.timer == nil {
		u.timer = time.AfterFunc(after, u.look)
		return
	}
	u.timer.Reset(after)
}

// look ends the calls whose bodies are forgotten. It runs on the timer's
// goroutine.
func (u *unread) look() {
	for _, c := range u.forgotten() {
		c.abandon()
	}
}

// forgotten also sets the timer for the one that may be forgotten next.
func (u *unread) forgotten() (calls []*call) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.armed = false
	next := abandonedAfter
	for c := u.first; c != nil; c = c.next {
		left := abandonedAfter - c.idle()
		if left <= 0 {
			calls = append(calls, c)
			continue
		}
		next = min(next, left)
	}
	if u.first != nil {
		u.arm(max(next, lookEvery))
	}
	return calls
}
