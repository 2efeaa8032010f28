package receive

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// pace is how fast bodies have to come.
type pace struct {
	rate float64       // bytes a second; 0: within bodyTimeout
	slow time.Duration // how far behind one may fall
}

// of is a request's body at that pace. A client that promises much and sends
// little would hold what it was admitted for, and four of those can be all that
// there is. Whoever is behind by more than slow, on the whole or since its last
// byte, is cut off: reading fails with os.ErrDeadlineExceeded.
func (p pace) of(w http.ResponseWriter, r *http.Request) io.Reader {
	if p.rate == 0 {
		return r.Body
	}
	now := time.Now()
	return &paced{
		body:  r.Body,
		conn:  http.NewResponseController(w),
		rate:  max(p.rate, float64(r.ContentLength)/(bodyTimeout-p.slow).Seconds()),
		slow:  p.slow,
		began: now,
	}
}

type paced struct {
	body     io.Reader
	conn     *http.ResponseController
	rate     float64
	slow     time.Duration
	began    time.Time
	received float64
	deadline time.Time // that is in force
}

// Read implements io.Reader.
func (p *paced) Read(b []byte) (int, error) {
	p.keepUp()
	n, err := p.body.Read(b)
	p.received += float64(n)
	if errors.Is(err, io.EOF) {
		// The connection is still read, to learn whether the client goes away.
		_ = p.conn.SetReadDeadline(p.began.Add(answerTimeout))
	}
	return n, err
}

// keepUp moves the deadline on when that is worth the call. Where there is no
// connection there is none.
func (p *paced) keepUp() {
	now := time.Now()
	allowed := p.began.Add(p.slow + time.Duration(p.received/p.rate*float64(time.Second)))
	if next := now.Add(p.slow); next.Before(allowed) {
		allowed = next
	}
	if allowed.Sub(p.deadline) > p.slow/8 {
		p.deadline = allowed
		_ = p.conn.SetReadDeadline(allowed)
	}
}
