package unary

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
)

// tape is a connection whose client has said all that it will, and keeps what
// it is told.
type tape struct {
	net.Conn

	in    bytes.Reader
	piece int // that a read gives at most

	mu  sync.Mutex
	out bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error) { return c.in.Read(p[:min(len(p), c.piece)]) }

func (c *tape) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(p)
}

func (c *tape) Close() error                    { return nil }
func (c *tape) RemoteAddr() net.Addr            { return &net.TCPAddr{} }
func (c *tape) SetDeadline(time.Time) error     { return nil }
func (c *tape) SetReadDeadline(time.Time) error { return nil }

// script makes frames of a fuzzer's bytes: most are in order, some are not.
func script(program []byte) []byte {
	var out, block bytes.Buffer
	table := hpack.NewEncoder(&block)
	framer := http2.NewFramer(&out, nil)
	framer.AllowIllegalWrites = true
	take := func() byte {
		if len(program) == 0 {
			return 0
		}
		b := program[0]
		program = program[1:]
		return b
	}
	fields := func(pairs ...string) []byte {
		block.Reset()
		for i := 0; i < len(pairs); i += 2 {
			_ = table.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}) // To memory.
		}
		return block.Bytes()
	}
	_ = framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(take())})
	for len(program) > 0 {
		op, id, n := take(), uint32(take()), int(take())
		end := n%2 == 0
		switch op % 10 {
		case 0, 1:
			_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: fields(callFields()...), EndStream: n == 0, EndHeaders: true})
		case 2:
			_ = framer.WriteData(id, end, message(string(make([]byte, n*n))))
		case 3:
			_ = framer.WriteData(id, end, program[:min(n, len(program))])
		case 4:
			_ = framer.WriteDataPadded(id, end, program[:min(n, len(program))], make([]byte, n))
		case 5:
			_ = framer.WriteRSTStream(id, http2.ErrCode(n))
		case 6:
			_ = framer.WriteWindowUpdate(id%7, uint32(n))
		case 7:
			_ = framer.WriteSettings(http2.Setting{ID: http2.SettingID(id % 8), Val: uint32(n)})
		case 8:
			_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: fields("x", "y"), EndStream: end, EndHeaders: n > 3})
		case 9:
			_ = framer.WriteRawFrame(http2.FrameType(take()%12), http2.Flags(take()), id, program[:min(n, len(program))])
		}
	}
	return out.Bytes()
}

// FuzzConn: whatever comes after the preface, nothing panics, each call ends
// once and with no more bytes than it has admitted, nothing is left, and what
// is answered is HTTP/2.
func FuzzConn(f *testing.F) {
	f.Add(false, uint16(9), []byte("\x00\x00\x00\x04\x00\x00\x00\x00\x00"))
	f.Add(false, uint16(999), script([]byte{9, 0, 1, 1, 2, 1, 20, 0, 3, 1, 2, 3, 4, 6, 1, 100, 5, 3, 8}))
	f.Add(true, uint16(1), []byte{200, 0, 1, 1, 2, 1, 20, 0, 3, 1, 2, 3, 4})
	f.Add(true, uint16(4096), []byte{0, 0, 1, 1, 2, 1, 250, 6, 0, 200, 6, 1, 200, 7, 4, 100, 0, 3, 0, 8, 5, 2})
	f.Add(true, uint16(50), []byte{1, 0, 1, 1, 3, 1, 5, 1, 0, 0, 0, 9, 4, 1, 4, 1, 2, 3, 4, 5, 1, 1, 2, 1, 2, 9, 1, 9, 8, 4, 1, 2, 3})
	const budget = 64 << 10
	f.Fuzz(func(t *testing.T, scripted bool, piece uint16, sent []byte) {
		if scripted {
			sent = script(sent)
		}
		e := &echo{limit: budget, answer: func(_ context.Context, m []byte) ([]byte, *Status) {
			if len(m)%3 == 1 {
				return nil, &Status{Code: codes.Unavailable, Message: "by chance"}
			}
			return m, nil
		}}
		cfg := DefaultConfig()
		cfg.MaxStreams, cfg.MaxHeaderBytes = 8, 4<<10
		s := New(cfg, e, slog.New(slog.DiscardHandler))
		conn := &tape{piece: 1 + int(piece)}
		conn.in.Reset(append([]byte(http2.ClientPreface), sent...))
		newConn(s, conn).run()
		for deadline := time.Now().Add(testPatience); s.calls.Load() != 0 && time.Now().Before(deadline); {
			runtime.Gosched()
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if calls, held := s.calls.Load(), s.large.held.Load(); calls != 0 || held != 0 {
			t.Fatalf("%d calls and %d buffers are left", calls, held)
		}
		e.settled(t)
		conn.wantHTTP2(t)
	})
}

// wantHTTP2 reads what the client was told.
func (c *tape) wantHTTP2(t *testing.T) {
	t.Helper()
	if out := c.out.Bytes(); bytes.HasPrefix(out, []byte("HTTP/1.1 ")) {
		return
	}
	framer := http2.NewFramer(nil, &c.out)
	framer.ReadMetaHeaders = hpack.NewDecoder(4<<10, nil)
	framer.SetMaxReadFrameSize(maxFrame)
	ended := map[uint32]bool{}
	for {
		f, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("the client was told what is no frame: %v", err)
		}
		head := f.Header()
		if ended[head.StreamID] && (head.Type == http2.FrameData || head.Type == http2.FrameHeaders) {
			t.Fatalf("%v after the stream's end", head)
		}
		if head.Flags.Has(http2.FlagDataEndStream) && (head.Type == http2.FrameData || head.Type == http2.FrameHeaders) || head.Type == http2.FrameRSTStream {
			ended[head.StreamID] = true
		}
	}
}

// FuzzMessage: a message that comes in pieces is what was sent.
func FuzzMessage(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x05hello"), uint8(3))
	f.Add([]byte("\x01\x00\x00\x00\x00"), uint8(1))
	f.Add([]byte("\x00\x00\x00\x00\x01ab"), uint8(200))
	f.Fuzz(func(t *testing.T, content []byte, piece uint8) {
		e := &echo{limit: 1 << 20, opened: 1}
		call := &echoCall{echo: e}
		s := &stream{call: call}
		var refused *Status
		for rest := content; len(rest) > 0 && refused == nil; {
			n := min(1+int(piece), len(rest))
			refused, rest = s.take(rest[:n]), rest[n:]
		}
		if refused == nil {
			refused = s.whole()
		}
		valid := len(content) >= messagePrefix && content[0] <= 1 && int64(len(content)-messagePrefix) == int64(binary.BigEndian.Uint32(content[1:]))
		if (refused == nil) != valid {
			t.Fatalf("%q is refused with %v", content, refused)
		}
		if refused == nil {
			if got, _ := call.Answer(t.Context()); !bytes.Equal(got, content[messagePrefix:]) {
				t.Fatalf("%q came as %q", content, got)
			}
		}
		e.settled(t)
	})
}
