package unary

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
)

// testPatience is how long a test waits for what must happen, on a busy machine.
const testPatience = 30 * time.Second

// echo is a handler whose calls answer with their messages. It keeps what its
// calls do to their contract.
type echo struct {
	limit int64 // of a message, in bytes
	// open and answer are asked first, where they are set.
	open   func(head *Header) *Status
	answer func(ctx context.Context, message []byte) ([]byte, *Status)

	mu       sync.Mutex
	opened   int
	aborted  []error
	answered int
	held     int64 // bytes of calls that have not ended
	most     int64
	faults   []string
	hits     map[Limit]int
}

// hit counts limits.
func (e *echo) hit(l Limit) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hits == nil {
		e.hits = map[Limit]int{}
	}
	e.hits[l]++
}

// wantHits fails the test unless just these limits were hit, so often.
func (e *echo) wantHits(t testing.TB, want map[Limit]int) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !maps.Equal(e.hits, want) {
		t.Errorf("limits were hit %v times, want %v", e.hits, want)
	}
}

// Open implements Handler.
func (e *echo) Open(head *Header) (Call, *Status) {
	if head.Major == 1 {
		return nil, &Status{HTTP: 415, Message: "not here"}
	}
	if e.open != nil {
		if refused := e.open(head); refused != nil {
			return nil, refused
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opened++
	return &echoCall{echo: e}, nil
}

func (e *echo) fault(format string, args ...any) {
	e.faults = append(e.faults, fmt.Sprintf(format, args...))
}

// settled fails the test unless each call has ended, and ended once.
func (e *echo) settled(t testing.TB) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, fault := range e.faults {
		t.Error(fault)
	}
	if ended := len(e.aborted) + e.answered; ended != e.opened || e.held != 0 {
		t.Errorf("of %d calls %d have ended, and %d bytes are held", e.opened, ended, e.held)
	}
	if e.most > 64*max(e.limit, 1) {
		t.Errorf("%d bytes were held at once", e.most)
	}
}

type echoCall struct {
	echo   *echo
	length int64
	begun  bool
	ended  bool
	got    []byte
}

func (c *echoCall) use(method string) func() {
	c.echo.mu.Lock()
	if c.ended {
		c.echo.fault("%s after the call's end", method)
	}
	return c.echo.mu.Unlock
}

func (c *echoCall) end() {
	c.ended = true
	c.echo.held -= c.length
}

// Begin implements Call.
func (c *echoCall) Begin(length int64, _ bool) *Status {
	defer c.use("Begin")()
	if c.begun {
		c.echo.fault("Begin twice")
	}
	c.begun = true
	if length > c.echo.limit {
		c.end()
		c.echo.answered++
		return &Status{Code: codes.ResourceExhausted, Message: "too large"}
	}
	c.length = length
	c.echo.held += length
	c.echo.most = max(c.echo.most, c.echo.held)
	return nil
}

// Write implements Call.
func (c *echoCall) Write(p []byte) *Status {
	defer c.use("Write")()
	c.got = append(c.got, p...)
	if !c.begun || int64(len(c.got)) > c.length {
		c.echo.fault("%d bytes of a message of %d", len(c.got), c.length)
	}
	return nil
}

// Answer implements Call.
func (c *echoCall) Answer(ctx context.Context) ([]byte, *Status) {
	unlock := c.use("Answer")
	if int64(len(c.got)) != c.length {
		c.echo.fault("Answer to %d bytes of a message of %d", len(c.got), c.length)
	}
	unlock()
	defer func() {
		defer c.use("the end of Answer")()
		c.end()
		c.echo.answered++
	}()
	if c.echo.answer != nil {
		return c.echo.answer(ctx, c.got)
	}
	return c.got, nil
}

// Abort implements Call.
func (c *echoCall) Abort(why error) *Status {
	defer c.use("Abort")()
	c.end()
	c.echo.aborted = append(c.echo.aborted, why)
	code := codes.Unavailable
	if _, ok := errors.AsType[ProtocolError](why); ok {
		code = codes.Internal
	}
	if errors.Is(why, context.DeadlineExceeded) {
		code = codes.DeadlineExceeded
	}
	return &Status{Code: code, Message: why.Error()}
}

// serve runs a server until the test ends, and sees that nothing is left.
func serve(t testing.TB, cfg Config, e *echo) net.Addr {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveAt(t, l, cfg, e)
	return l.Addr()
}

func serveAt(t testing.TB, l net.Listener, cfg Config, e *echo) *Server {
	t.Helper()
	if e.limit == 0 {
		e.limit = 64 << 20
	}
	cfg.Hit = e.hit
	s := New(cfg, e, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), testPatience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if open := s.calls.Load(); open != 0 {
			t.Errorf("%d calls are counted as open", open)
		}
		if held := s.large.held.Load(); held != 0 {
			t.Errorf("%d large buffers are held", held)
		}
		e.settled(t)
	})
	return s
}

// peer is a client made by hand.
type peer struct {
	t      testing.TB
	conn   net.Conn
	framer *http2.Framer
	block  bytes.Buffer
	table  *hpack.Encoder
}

// connect opens a connection on which no call waits for ever, and says nothing.
func connect(t testing.TB, addr net.Addr) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(testPatience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// newPeer has greeted the server.
func newPeer(t testing.TB, conn net.Conn, settings ...http2.Setting) *peer {
	t.Helper()
	p := &peer{t: t, conn: conn, framer: http2.NewFramer(conn, conn)}
	p.framer.AllowIllegalWrites = true
	p.framer.ReadMetaHeaders = hpack.NewDecoder(4<<10, nil)
	p.table = hpack.NewEncoder(&p.block)
	p.must(io.WriteString(conn, http2.ClientPreface))
	p.must(0, p.framer.WriteSettings(settings...))
	return p
}

func (p *peer) must(_ int, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// fields are pairs of names and values as a header block.
func (p *peer) fields(pairs ...string) []byte {
	p.t.Helper()
	p.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		p.must(0, p.table.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}))
	}
	return bytes.Clone(p.block.Bytes())
}

// callFields are those of a call, and more.
func callFields(more ...string) []string {
	return append([]string{
		":method", "POST", ":scheme", "http", ":path", "/echo.Echo/Echo", ":authority", "here",
		"content-type", "application/grpc", "te", "trailers",
	}, more...)
}

// open sends the headers of a call.
func (p *peer) open(id uint32, end bool, more ...string) {
	p.t.Helper()
	p.must(0, p.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: p.fields(callFields(more...)...), EndStream: end, EndHeaders: true,
	}))
}

// send sends content of a call.
func (p *peer) send(id uint32, end bool, content []byte) {
	p.t.Helper()
	p.must(0, p.framer.WriteData(id, end, content))
}

// message is one as gRPC sends it.
func message(content string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(content))), content...)
}

// result is all that came for a stream.
type result struct {
	http, code, message string
	body                []byte
	reset               http2.ErrCode
	wasReset            bool
}

// next reads a frame, past those of the connection's own business.
func (p *peer) next() http2.Frame {
	p.t.Helper()
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			p.t.Fatalf("read a frame: %v", err)
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				p.must(0, p.framer.WriteSettingsAck())
			}
			continue
		case *http2.WindowUpdateFrame:
			continue
		}
		return f
	}
}

// result reads until the stream has ended.
func (p *peer) result(id uint32) result {
	p.t.Helper()
	var r result
	for {
		f := p.next()
		if g, ok := f.(*http2.GoAwayFrame); ok {
			p.t.Fatalf("the connection ends with %v while stream %d waits for its end", g.ErrCode, id)
		}
		if f.Header().StreamID != id {
			continue
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			for _, field := range f.Fields {
				switch field.Name {
				case ":status":
					r.http = field.Value
				case "grpc-status":
					r.code = field.Value
				case "grpc-message":
					r.message = field.Value
				}
			}
			if f.StreamEnded() {
				return r
			}
		case *http2.DataFrame:
			r.body = append(r.body, f.Data()...)
			if f.StreamEnded() {
				return r
			}
		case *http2.RSTStreamFrame:
			r.reset, r.wasReset = f.ErrCode, true
			return r
		}
	}
}

// status is that of gRPC in a result.
func (r result) status() codes.Code {
	n, err := strconv.Atoi(r.code)
	if err != nil {
		return codes.Code(99)
	}
	return codes.Code(n)
}

// wantEcho makes a call and wants it to be answered.
func (p *peer) wantEcho(id uint32, content string) {
	p.t.Helper()
	p.open(id, false)
	p.send(id, true, message(content))
	if r := p.result(id); r.code != "0" || string(r.body) != string(message(content)) {
		p.t.Fatalf("stream %d: answer %+v, want the echo of %q", id, r, content)
	}
}

// wantGoAway reads until the connection's end, and wants it to be for that
// reason.
func (p *peer) wantGoAway(code http2.ErrCode) {
	p.t.Helper()
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			p.t.Fatalf("the connection ended with %v, want GOAWAY with %v", err, code)
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			if g.ErrCode != code {
				p.t.Fatalf("GOAWAY with %v, want %v", g.ErrCode, code)
			}
			break
		}
	}
	for {
		if _, err := p.framer.ReadFrame(); err != nil {
			if errors.Is(err, io.EOF) {
				return
			}
			p.t.Fatalf("after GOAWAY the connection ended with %v", err)
		}
	}
}

// waitUntil polls; there is nothing to be told by.
func waitUntil(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testPatience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting until %s", what)
		}
	}
}
