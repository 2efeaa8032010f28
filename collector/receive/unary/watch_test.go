package unary

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
)

// pipes is a listener whose connections are net.Pipe's, so that time can be
// made up.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// dial gives a connection on which somebody always reads.
func (p *pipes) dial(t *testing.T) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	p.conns <- server
	t.Cleanup(func() { _ = client.Close() })
	return &attentive{Conn: client, came: make(chan []byte, 1000)}
}

// attentive reads ahead, from the first Read on.
type attentive struct {
	net.Conn

	begun sync.Once
	came  chan []byte
	rest  []byte
}

func (a *attentive) read() {
	defer close(a.came)
	for {
		buf := make([]byte, 32<<10)
		n, err := a.Conn.Read(buf)
		if n > 0 {
			a.came <- buf[:n]
		}
		if err != nil {
			return
		}
	}
}

func (a *attentive) Read(p []byte) (int, error) {
	a.begun.Do(func() { go a.read() })
	if len(a.rest) == 0 {
		piece, ok := <-a.came
		if !ok {
			return 0, io.EOF
		}
		a.rest = piece
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// inNoTime runs a server on pipes, in a bubble.
func inNoTime(t *testing.T, cfg Config, e *echo, test func(t *testing.T, at *pipes)) {
	synctest.Test(t, func(t *testing.T) {
		at := newPipes()
		serveAt(t, at, cfg, e)
		test(t, at)
	})
}

// greeted is a peer whose connection is read from the beginning.
func greeted(t *testing.T, at *pipes) *peer {
	t.Helper()
	conn := at.dial(t)
	conn.(*attentive).begun.Do(func() { go conn.(*attentive).read() })
	p := newPeer(t, conn)
	p.wantEcho(1, "x")
	return p
}

// wantAfter says whether as much time has passed as there should have, but for
// how often the server looks.
func wantAfter(t *testing.T, began time.Time, want time.Duration) {
	t.Helper()
	if took := time.Since(began); took < want || took > want+time.Second {
		t.Errorf("it took %v, want %v", took, want)
	}
}

func TestMessagesThatAreSlow(t *testing.T) {
	half := DefaultConfig().BodyTimeout / 2
	tests := []struct {
		name    string
		change  func(*Config)
		length  int
		send    func(p *peer, message []byte)
		after   time.Duration
		arrives bool
	}{
		{"never begins", nil, 100, func(*peer, []byte) {}, 5 * time.Second, false},
		{"says its length", nil, 1 << 20, func(p *peer, m []byte) { p.send(3, false, m[:5]) }, 5 * time.Second, false},
		{"stalls in the middle", nil, 1 << 20, func(p *peer, m []byte) {
			p.trickle(m, 6, 100<<10)
		}, 10 * time.Second, false},
		{"drips", nil, 20000, func(p *peer, m []byte) { p.trickle(m, 10, 1) }, 5 * time.Second, false},
		{"is slower than its length wants", nil, 50 << 20, func(p *peer, m []byte) { p.trickle(m, 20, 64<<10) }, 5 * time.Second, false},
		{"comes in time", nil, 1 << 20, func(p *peer, m []byte) { p.trickle(m, 100, 32<<10) }, half, true},
		{"takes all of its time", func(c *Config) { c.MinRate = 0 }, 100, func(*peer, []byte) {}, time.Minute, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := DefaultConfig()
			if test.change != nil {
				test.change(&cfg)
			}
			e := &echo{answer: func(_ context.Context, m []byte) ([]byte, *Status) { return m[:min(len(m), 1)], nil }}
			inNoTime(t, cfg, e, func(t *testing.T, at *pipes) {
				p := greeted(t, at)
				began := time.Now()
				p.open(3, false)
				var sending sync.WaitGroup
				sending.Go(func() { test.send(p, message(string(make([]byte, test.length)))) })
				defer sending.Wait()
				r := p.result(3)
				if (r.code == "0") != test.arrives || !test.arrives && (r.status() != codes.Unavailable || !errors.Is(e.aborted[0], ErrSlow)) {
					t.Errorf("answer %q %q", r.code, r.message)
				}
				if test.arrives {
					return
				}
				wantAfter(t, began, test.after)
				if f, ok := p.next().(*http2.RSTStreamFrame); !ok || f.ErrCode != http2.ErrCodeNo {
					t.Errorf("after the answer comes %v, want a reset without an error", f)
				}
			})
		})
	}
}

// trickle sends so many pieces on stream 3, one each second, or all of the
// content.
func (p *peer) trickle(content []byte, pieces, size int) {
	for range pieces {
		for sent := 0; sent < size; {
			n := min(size-sent, maxFrame, len(content))
			p.send(3, n == len(content), content[:n])
			if content = content[n:]; len(content) == 0 {
				return
			}
			sent += n
		}
		time.Sleep(time.Second)
	}
}

func TestDeadlinePassesBeforeTheMessageIsWhole(t *testing.T) {
	inNoTime(t, DefaultConfig(), &echo{}, func(t *testing.T, at *pipes) {
		p := greeted(t, at)
		began := time.Now()
		p.open(3, false, "grpc-timeout", "300m")
		p.send(3, false, message("hello")[:7])
		if r := p.result(3); r.status() != codes.DeadlineExceeded {
			t.Errorf("answer %+v", r)
		}
		wantAfter(t, began, 300*time.Millisecond)
	})
}

func TestConnectionsThatDoNotGreet(t *testing.T) {
	for name, sent := range map[string]string{"nothing": "", "half a preface": "PRI * H", "no settings": http2.ClientPreface, "half a request": "GET / HTTP/1.1\r\n"} {
		t.Run(name, func(t *testing.T) {
			e := &echo{}
			inNoTime(t, DefaultConfig(), e, func(t *testing.T, at *pipes) {
				conn := at.dial(t)
				began := time.Now()
				if _, err := io.WriteString(conn, sent); err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, conn); err != nil {
					t.Error(err)
				}
				wantAfter(t, began, 10*time.Second)
				e.wantHits(t, map[Limit]int{LimitGreeting: 1})
			})
		})
	}
}

// TestIdleConnections are asked whether they live, and closed after a while even
// so.
func TestIdleConnections(t *testing.T) {
	inNoTime(t, DefaultConfig(), &echo{}, func(t *testing.T, at *pipes) {
		p := greeted(t, at)
		began := time.Now()
		for pings := 0; ; pings++ {
			f := p.next()
			if g, ok := f.(*http2.GoAwayFrame); ok {
				if g.ErrCode != http2.ErrCodeNo || g.LastStreamID != 1 || pings != 4 {
					t.Errorf("after %d pings GOAWAY %v", pings, g)
				}
				break
			}
			ping, ok := f.(*http2.PingFrame)
			if !ok {
				t.Fatalf("%v, want a ping", f)
			}
			p.must(0, p.framer.WritePing(true, ping.Data))
		}
		wantAfter(t, began, 5*time.Minute)
		if _, err := p.framer.ReadFrame(); !errors.Is(err, io.EOF) {
			t.Errorf("the connection ends with %v", err)
		}
	})
}

func TestConnectionsThatAreDead(t *testing.T) {
	e := &echo{}
	inNoTime(t, DefaultConfig(), e, func(t *testing.T, at *pipes) {
		p := greeted(t, at)
		began := time.Now()
		p.open(3, false, "grpc-timeout", "1H") // Even with a call.
		if _, err := io.Copy(io.Discard, p.conn); err != nil {
			t.Error(err)
		}
		wantAfter(t, began, 80*time.Second)
		e.wantHits(t, map[Limit]int{LimitSilent: 1})
	})
}

func TestClientsThatDoNotRead(t *testing.T) {
	e := &echo{}
	inNoTime(t, DefaultConfig(), e, func(t *testing.T, at *pipes) {
		conn := at.dial(t).(*attentive).Conn
		var reading sync.WaitGroup
		defer reading.Wait()
		reading.Go(func() { _, _ = io.CopyN(io.Discard, conn, 60) }) // The settings, and little more.
		p := newPeer(t, conn)
		began := time.Now()
		var err error
		for err == nil {
			err = p.framer.WritePing(false, [8]byte{})
		}
		wantAfter(t, began, time.Minute)
		e.wantHits(t, map[Limit]int{LimitUnread: 1})
	})
}

func TestAnswersThatNobodyMakesRoomFor(t *testing.T) {
	inNoTime(t, DefaultConfig(), &echo{}, func(t *testing.T, at *pipes) {
		p := greeted(t, at)
		p.must(0, p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3}))
		began := time.Now()
		p.open(3, false)
		p.send(3, true, message("hello"))
		var living sync.WaitGroup
		defer living.Wait()
		living.Go(func() {
			for range 5 {
				p.must(0, p.framer.WritePing(true, [8]byte{}))
				time.Sleep(25 * time.Second)
			}
		})
		if r := p.result(3); r.http != "200" || len(r.body) != 3 || r.reset != http2.ErrCodeCancel {
			t.Errorf("answer %+v", r)
		}
		wantAfter(t, began, 2*time.Minute)
	})
}

func TestShutdownWaitsForCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		at := newPipes()
		s := serveAt(t, at, DefaultConfig(), &echo{answer: func(_ context.Context, m []byte) ([]byte, *Status) {
			if string(m) == "wait" {
				<-release
			}
			return m, nil
		}})
		silent, p, idle := at.dial(t), greeted(t, at), greeted(t, at)
		p.open(3, false)
		p.send(3, true, message("wait"))
		p.open(5, false)
		p.send(5, false, message("hello")[:7])
		synctest.Wait()
		stopped := make(chan error, 1)
		go func() { stopped <- s.Shutdown(context.WithoutCancel(t.Context())) }()
		if _, err := io.Copy(io.Discard, silent); err != nil {
			t.Errorf("a silent connection: %v", err)
		}
		idle.wantGoAway(http2.ErrCodeNo)
		if g, ok := p.next().(*http2.GoAwayFrame); !ok || g.ErrCode != http2.ErrCodeNo || g.LastStreamID != 5 {
			t.Errorf("GOAWAY %v", g)
		}
		p.open(7, true)
		if f, ok := p.next().(*http2.RSTStreamFrame); !ok || f.StreamID != 7 || f.ErrCode != http2.ErrCodeRefusedStream {
			t.Errorf("a new stream got %v", f)
		}
		p.send(5, true, message("hello")[7:])
		if r := p.result(5); r.code != "0" {
			t.Errorf("the message that was half here: %+v", r)
		}
		select {
		case err := <-stopped:
			t.Errorf("Shutdown = %v while a call is in progress", err)
		default:
		}
		close(release)
		if r := p.result(3); r.code != "0" || string(r.body) != string(message("wait")) {
			t.Errorf("the call in progress: %+v", r)
		}
		if _, err := p.framer.ReadFrame(); !errors.Is(err, io.EOF) {
			t.Errorf("the connection ends with %v", err)
		}
		if err := <-stopped; err != nil {
			t.Errorf("Shutdown = %v", err)
		}
	})
}

func TestShutdownCutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := newPipes()
		e := &echo{answer: func(ctx context.Context, _ []byte) ([]byte, *Status) {
			<-ctx.Done()
			return nil, &Status{Code: codes.Unavailable}
		}}
		s := serveAt(t, at, DefaultConfig(), e)
		conn := at.dial(t)
		conn.(*attentive).begun.Do(func() { go conn.(*attentive).read() })
		p := newPeer(t, conn)
		p.open(1, false)
		p.send(1, true, message("wait"))
		p.open(3, false)
		p.send(3, false, message("hello")[:7])
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v", err)
		}
		e.settled(t)
		if len(e.aborted) != 1 || !errors.Is(e.aborted[0], ErrGone) {
			t.Errorf("aborted with %v", e.aborted)
		}
	})
}

// TestPingsAreAnsweredWhileCallsRun: they may wait for a call's answer, but not
// long.
func TestPingsAreAnsweredWhileCallsRun(t *testing.T) {
	var release chan struct{} // of the bubble
	e := &echo{answer: func(_ context.Context, m []byte) ([]byte, *Status) {
		if string(m) == "wait" {
			<-release
		}
		return m, nil
	}}
	inNoTime(t, DefaultConfig(), e, func(t *testing.T, at *pipes) {
		release = make(chan struct{})
		p := greeted(t, at)
		p.open(3, false)
		p.send(3, true, message("wait"))
		began := time.Now()
		p.must(0, p.framer.WritePing(false, [8]byte{7}))
		if ping, ok := p.next().(*http2.PingFrame); !ok || !ping.IsAck() || ping.Data != [8]byte{7} {
			t.Errorf("%v, want the ping's answer", ping)
		}
		if took := time.Since(began); took > time.Second/4 {
			t.Errorf("it took %v", took)
		}
		close(release)
		if r := p.result(3); r.code != "0" {
			t.Errorf("the call: %+v", r)
		}
	})
}

// TestALateWatchTakesNoPatience: a look at the time may be older than the
// connection.
func TestALateWatchTakesNoPatience(t *testing.T) {
	s := New(DefaultConfig(), &echo{}, slog.New(slog.DiscardHandler))
	defer func() { _ = s.Shutdown(context.WithoutCancel(t.Context())) }()
	c := newConn(s, &tape{})
	defer c.cancel()
	c.check(time.Now().Add(-time.Hour))
	if left := c.patience.Load(); left != maxPatience {
		t.Errorf("%d is left of a patience of %d", left, maxPatience)
	}
}
