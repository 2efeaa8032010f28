package unary

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
)

// flood sends something more often than the server's patience lasts, at once.
func (p *peer) flood(do func(f *http2.Framer) error) {
	p.t.Helper()
	var frames bytes.Buffer
	framer := http2.NewFramer(&frames, nil)
	framer.AllowIllegalWrites = true
	for range maxPatience + 4*patience {
		p.must(0, do(framer))
	}
	_, _ = p.conn.Write(frames.Bytes()) // It may be cut off meanwhile.
}

// rawFrame is a frame whose length may be a lie.
func rawFrame(length int, kind http2.FrameType, flags http2.Flags, id uint32, payload []byte) []byte {
	head := []byte{byte(length >> 16), byte(length >> 8), byte(length), byte(kind), byte(flags)}
	return append(binary.BigEndian.AppendUint32(head, id), payload...)
}

// TestFaultsThatEndTheConnection: each is told by its name.
func TestFaultsThatEndTheConnection(t *testing.T) {
	frame := func(kind http2.FrameType, flags http2.Flags, id uint32, payload []byte) func(*peer) {
		return func(p *peer) {
			p.must(p.conn.Write(rawFrame(len(payload), kind, flags, id, payload)))
		}
	}
	tests := []struct {
		name string
		do   func(p *peer)
		code http2.ErrCode
	}{
		{"a frame too large", func(p *peer) { p.must(p.conn.Write(rawFrame(maxFrame+1, http2.FrameData, 0, 1, nil))) }, http2.ErrCodeFrameSize},
		{"DATA on stream 0", frame(http2.FrameData, 0, 0, []byte("x")), http2.ErrCodeProtocol},
		{"DATA on a stream that nobody has opened", frame(http2.FrameData, 0, 7, []byte("x")), http2.ErrCodeProtocol},
		{"DATA on a stream of the server", frame(http2.FrameData, 0, 2, []byte("x")), http2.ErrCodeProtocol},
		{"DATA with more padding than there is", frame(http2.FrameData, http2.FlagDataPadded, 1, []byte{9, 1, 2}), http2.ErrCodeProtocol},
		{"DATA with padding of no length", frame(http2.FrameData, http2.FlagDataPadded, 1, nil), http2.ErrCodeFrameSize},
		{"HEADERS on stream 0", frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 0, nil), http2.ErrCodeProtocol},
		{"HEADERS on a stream of the server", func(p *peer) { p.open(8, true) }, http2.ErrCodeProtocol},
		{"HEADERS with more padding than there is", frame(http2.FrameHeaders, http2.FlagHeadersPadded|http2.FlagHeadersEndHeaders, 3, []byte{200, 1}), http2.ErrCodeProtocol},
		{"HEADERS that cannot be decompressed", frame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 3, []byte{0xff, 0xff, 0xff, 0xff, 0xff}), http2.ErrCodeCompression},
		{"a stream that has gone by", func(p *peer) {
			p.wantEcho(5, "x")
			p.open(3, true)
		}, http2.ErrCodeStreamClosed},
		{"CONTINUATION of nothing", frame(http2.FrameContinuation, 0, 1, nil), http2.ErrCodeProtocol},
		{"HEADERS that are interrupted", func(p *peer) {
			p.must(0, p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: p.fields(callFields()...)}))
			p.must(0, p.framer.WritePing(false, [8]byte{}))
		}, http2.ErrCodeProtocol},
		{"CONTINUATION of another stream", func(p *peer) {
			p.must(0, p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: p.fields(callFields()...)}))
			p.must(0, p.framer.WriteContinuation(5, true, nil))
		}, http2.ErrCodeProtocol},
		{"headers without end", func(p *peer) {
			p.must(0, p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: p.fields(callFields()...)}))
			p.must(p.conn.Write(bytes.Repeat(rawFrame(0, http2.FrameContinuation, 0, 3, nil), 30_000)))
		}, http2.ErrCodeEnhanceYourCalm},
		{"headers that grow without end", func(p *peer) {
			p.must(0, p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: p.fields(callFields()...)}))
			p.flood(func(f *http2.Framer) error {
				return f.WriteContinuation(3, false, p.fields("x", strings.Repeat("y", 8<<10)))
			})
		}, http2.ErrCodeProtocol},
		{"RST_STREAM of an idle stream", func(p *peer) { p.must(0, p.framer.WriteRSTStream(9, http2.ErrCodeCancel)) }, http2.ErrCodeProtocol},
		{"RST_STREAM on stream 0", frame(http2.FrameRSTStream, 0, 0, make([]byte, 4)), http2.ErrCodeProtocol},
		{"RST_STREAM of another length", frame(http2.FrameRSTStream, 0, 1, make([]byte, 3)), http2.ErrCodeFrameSize},
		{"SETTINGS of a stream", frame(http2.FrameSettings, 0, 1, nil), http2.ErrCodeProtocol},
		{"SETTINGS of another length", frame(http2.FrameSettings, 0, 0, make([]byte, 5)), http2.ErrCodeFrameSize},
		{"SETTINGS with too large a window", func(p *peer) {
			p.must(0, p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31}))
		}, http2.ErrCodeFlowControl},
		{"SETTINGS with too small a frame", func(p *peer) {
			p.must(0, p.framer.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 16383}))
		}, http2.ErrCodeProtocol},
		{"acknowledged twice", func(p *peer) {
			p.must(0, p.framer.WriteSettingsAck())
			p.must(0, p.framer.WriteSettingsAck())
		}, http2.ErrCodeProtocol},
		{"PING of another length", frame(http2.FramePing, 0, 0, make([]byte, 7)), http2.ErrCodeFrameSize},
		{"PING of a stream", frame(http2.FramePing, 0, 1, make([]byte, 8)), http2.ErrCodeProtocol},
		{"PUSH_PROMISE", frame(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, 1, make([]byte, 4)), http2.ErrCodeProtocol},
		{"WINDOW_UPDATE of nothing", frame(http2.FrameWindowUpdate, 0, 0, make([]byte, 4)), http2.ErrCodeProtocol},
		{"WINDOW_UPDATE of an idle stream", func(p *peer) { p.must(0, p.framer.WriteWindowUpdate(9, 1)) }, http2.ErrCodeProtocol},
		{"WINDOW_UPDATE beyond what a window has", func(p *peer) { p.must(0, p.framer.WriteWindowUpdate(0, math.MaxInt32)) }, http2.ErrCodeFlowControl},
		{"a window beyond what one has", func(p *peer) {
			p.must(0, p.framer.WriteWindowUpdate(1, 1<<30))
			p.must(0, p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: math.MaxInt32}))
		}, http2.ErrCodeFlowControl},
		{"a flood of PING", func(p *peer) { p.flood(func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) }) }, http2.ErrCodeEnhanceYourCalm},
		{"a flood of SETTINGS", func(p *peer) { p.flood(func(f *http2.Framer) error { return f.WriteSettings() }) }, http2.ErrCodeEnhanceYourCalm},
		{"a flood of settings in few frames", func(p *peer) {
			settings := slices.Repeat([]http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1}}, maxFrame/6)
			p.must(0, p.framer.WriteSettings(settings...))
			p.must(0, p.framer.WriteSettings(settings...))
		}, http2.ErrCodeEnhanceYourCalm},
		{"a flood of PRIORITY", func(p *peer) {
			p.flood(func(f *http2.Framer) error { return f.WritePriority(1, http2.PriorityParam{StreamDep: 3}) })
		}, http2.ErrCodeEnhanceYourCalm},
		{"a flood of empty DATA", func(p *peer) { p.flood(func(f *http2.Framer) error { return f.WriteData(1, false, nil) }) }, http2.ErrCodeEnhanceYourCalm},
		{"a flood of unknown frames", func(p *peer) {
			p.flood(func(f *http2.Framer) error { return f.WriteRawFrame(0xee, 0, 1, []byte("x")) })
		}, http2.ErrCodeEnhanceYourCalm},
		{"a rapid reset", func(p *peer) {
			id := uint32(1)
			p.flood(func(f *http2.Framer) error {
				id += 2
				return errors.Join(
					f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.fields(callFields()...), EndHeaders: true}),
					f.WriteRSTStream(id, http2.ErrCodeCancel))
			})
		}, http2.ErrCodeEnhanceYourCalm},
		{"a flood of streams", func(p *peer) {
			id := uint32(1)
			p.flood(func(f *http2.Framer) error {
				id += 2
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.fields(callFields()...), EndHeaders: true})
			})
		}, http2.ErrCodeEnhanceYourCalm},
	}
	e := &echo{}
	addr := serve(t, DefaultConfig(), e)
	calm := 0
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, connect(t, addr))
			p.open(1, false)
			test.do(p)
			p.wantGoAway(test.code)
			if test.code == http2.ErrCodeEnhanceYourCalm {
				calm++
			}
		})
	}
	if e.hits[LimitFlood] != calm || e.hits[LimitProtocol] != len(tests)-calm || calm == 0 {
		t.Errorf("limits were hit %v times, want %d floods of %d faults", e.hits, calm, len(tests))
	}
}

// TestFaultsThatEndTheStream: the connection goes on.
func TestFaultsThatEndTheStream(t *testing.T) {
	headers := func(pairs ...string) func(*peer) {
		return func(p *peer) {
			p.must(0, p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: p.fields(pairs...), EndHeaders: true}))
		}
	}
	tests := []struct {
		name string
		do   func(p *peer)
		code http2.ErrCode
	}{
		{"no method", headers(":scheme", "http", ":path", "/"), http2.ErrCodeProtocol},
		{"no path", headers(":scheme", "http", ":method", "POST"), http2.ErrCodeProtocol},
		{"no scheme", headers(":path", "/", ":method", "POST"), http2.ErrCodeProtocol},
		{"a response", headers(":status", "200"), http2.ErrCodeProtocol},
		{"a method twice", headers(callFields(":method", "GET")...), http2.ErrCodeProtocol},
		{"a pseudo header that is none", headers(":method", "POST", ":scheme", "http", ":path", "/", ":x", "y"), http2.ErrCodeProtocol},
		{"a pseudo header that comes late", headers(":method", "POST", ":scheme", "http", "a", "b", ":path", "/"), http2.ErrCodeProtocol},
		{"a name in upper case", headers(callFields("Name", "x")...), http2.ErrCodeProtocol},
		{"a value with a new line", headers(callFields("name", "a\nb")...), http2.ErrCodeProtocol},
		{"a field of one connection", headers(callFields("connection", "close")...), http2.ErrCodeProtocol},
		{"a transfer encoding", headers(callFields("transfer-encoding", "chunked")...), http2.ErrCodeProtocol},
		{"te with something else", headers(callFields("te", "gzip")...), http2.ErrCodeProtocol},
		{"a length that is none", headers(callFields("content-length", "-1")...), http2.ErrCodeProtocol},
		{"two lengths", headers(callFields("content-length", "1", "content-length", "2")...), http2.ErrCodeProtocol},
		{"more than the length", func(p *peer) {
			p.open(3, false, "content-length", "7")
			p.send(3, true, message("abc"))
		}, http2.ErrCodeProtocol},
		{"more than the length, of what is no message", func(p *peer) {
			p.open(3, false, "content-length", "1")
			p.send(3, false, []byte("test"))
			p.send(3, true, []byte("test"))
		}, http2.ErrCodeProtocol},
		{"less than the length", func(p *peer) {
			p.open(3, false, "content-length", "9")
			p.send(3, true, message("abc"))
		}, http2.ErrCodeProtocol},
		{"DATA after the end", func(p *peer) {
			p.open(3, false)
			p.send(3, true, message("wait"))
			p.send(3, false, []byte("x"))
		}, http2.ErrCodeStreamClosed},
		{"trailers that are no end", func(p *peer) {
			p.open(3, false)
			p.must(0, p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: p.fields("x", "y"), EndHeaders: true}))
		}, http2.ErrCodeProtocol},
		{"trailers with a path", func(p *peer) {
			p.open(3, false)
			p.must(0, p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: p.fields(":path", "/"), EndHeaders: true, EndStream: true}))
		}, http2.ErrCodeProtocol},
		{"WINDOW_UPDATE of nothing", func(p *peer) {
			p.open(3, false)
			p.must(p.conn.Write(rawFrame(4, http2.FrameWindowUpdate, 0, 3, make([]byte, 4))))
		}, http2.ErrCodeProtocol},
		{"WINDOW_UPDATE beyond what a window has", func(p *peer) {
			p.open(3, false)
			p.must(0, p.framer.WriteWindowUpdate(3, math.MaxInt32))
		}, http2.ErrCodeFlowControl},
		{"headers that depend on themselves", func(p *peer) {
			p.must(0, p.framer.WriteHeaders(http2.HeadersFrameParam{
				StreamID: 3, BlockFragment: p.fields(callFields()...), EndHeaders: true, Priority: http2.PriorityParam{StreamDep: 3},
			}))
		}, http2.ErrCodeProtocol},
		{"a stream that depends on itself", func(p *peer) {
			p.must(0, p.framer.WritePriority(3, http2.PriorityParam{StreamDep: 3}))
		}, http2.ErrCodeProtocol},
	}
	addr := serve(t, DefaultConfig(), &echo{answer: func(ctx context.Context, m []byte) ([]byte, *Status) {
		if string(m) == "wait" {
			<-ctx.Done()
		}
		return m, nil
	}})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, connect(t, addr))
			p.wantEcho(1, "x")
			test.do(p)
			if r := p.result(3); !r.wasReset || r.reset != test.code {
				t.Errorf("answer %+v, want a reset with %v", r, test.code)
			}
			p.wantEcho(5, "y")
		})
	}
}

// TestMoreThanTheWindow has an answer wait for room, and a client that sends on
// and on meanwhile.
func TestMoreThanTheWindow(t *testing.T) {
	refuse := &echo{open: func(*Header) *Status { return &Status{HTTP: 415, Message: "not here"} }}
	p := newPeer(t, connect(t, serve(t, DefaultConfig(), refuse)), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	p.open(1, false)
	for range streamWindow/maxFrame + 1 {
		p.send(1, false, make([]byte, maxFrame))
	}
	if r := p.result(1); r.http != "415" || r.reset != http2.ErrCodeFlowControl {
		t.Errorf("answer %+v, want 415 and FLOW_CONTROL_ERROR", r)
	}
}

// TestWhatIsAllowed is unusual, and no fault.
func TestWhatIsAllowed(t *testing.T) {
	want := message("hello")
	tests := map[string]func(p *peer){
		"padding": func(p *peer) { p.open(1, false); p.must(0, p.framer.WriteDataPadded(1, true, want, make([]byte, 200))) },
		"only padding": func(p *peer) {
			p.open(1, false)
			p.must(0, p.framer.WriteDataPadded(1, false, nil, make([]byte, 255)))
			p.send(1, true, want)
		},
		"byte by byte": func(p *peer) {
			p.open(1, false)
			for i := range want {
				p.send(1, i == len(want)-1, want[i:i+1])
			}
		},
		"an end of its own": func(p *peer) { p.open(1, false); p.send(1, false, want); p.send(1, true, nil) },
		"trailers": func(p *peer) {
			p.open(1, false)
			p.send(1, false, want)
			p.must(0, p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.fields("x", "y"), EndHeaders: true, EndStream: true}))
		},
		"a right length": func(p *peer) { p.open(1, false, "content-length", "10"); p.send(1, true, want) },
		"CONTINUATION": func(p *peer) {
			block := p.fields(callFields("x-long", strings.Repeat("long ", 5000))...)
			p.must(0, p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:10]}))
			p.must(0, p.framer.WriteContinuation(1, false, block[10:10000]))
			p.must(0, p.framer.WriteContinuation(1, true, block[10000:]))
			p.send(1, true, want)
		},
		"padded headers with a priority": func(p *peer) {
			p.must(0, p.framer.WriteHeaders(http2.HeadersFrameParam{
				StreamID: 1, BlockFragment: p.fields(callFields()...), EndHeaders: true,
				PadLength: 99, Priority: http2.PriorityParam{StreamDep: 77, Exclusive: true, Weight: 3},
			}))
			p.send(1, true, want)
		},
		"frames that nobody knows": func(p *peer) {
			p.must(0, p.framer.WriteRawFrame(0xbb, 0xff, 0, make([]byte, 9000)))
			p.open(1, false)
			p.must(0, p.framer.WriteRawFrame(0xbb, 0xff, 1, []byte("x")))
			p.send(1, true, want)
		},
		"settings that nobody knows": func(p *peer) {
			p.must(0, p.framer.WriteSettings(http2.Setting{ID: 0xabc, Val: 1}, http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0}))
			p.open(1, false)
			p.send(1, true, want)
		},
		"GOAWAY of a client that goes on": func(p *peer) {
			p.open(1, false)
			p.must(0, p.framer.WriteGoAway(0, http2.ErrCodeNo, []byte("bye")))
			p.send(1, true, want)
		},
		"a stream reset before": func(p *peer) {
			p.open(1, false)
			p.send(1, false, want[:7])
			p.must(0, p.framer.WriteRSTStream(1, http2.ErrCodeCancel))
			p.must(0, p.framer.WriteWindowUpdate(1, 1000))
			p.open(3, false)
			p.send(3, true, want)
		},
	}
	addr := serve(t, DefaultConfig(), &echo{})
	for name, do := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t, connect(t, addr))
			do(p)
			id := uint32(1)
			if name == "a stream reset before" {
				id = 3
			}
			if r := p.result(id); r.http != "200" || r.code != "0" || string(r.body) != string(want) {
				t.Errorf("answer %+v", r)
			}
			p.wantEcho(11, "on and on")
		})
	}
}

func TestFaultsOfTheMessage(t *testing.T) {
	tests := []struct {
		name, want string
		code       codes.Code
		content    []byte
	}{
		{"none", "no message", codes.Internal, nil},
		{"half a prefix", "no message", codes.Internal, []byte{0, 0}},
		{"half a message", "before its message", codes.Unavailable, message("hello")[:7]},
		{"two", "more than one", codes.Internal, append(message("a"), message("b")...)},
		{"a flag", "unknown flag", codes.Internal, []byte{2, 0, 0, 0, 0}},
		{"4 GiB", "too large", codes.ResourceExhausted, []byte{0, 0xff, 0xff, 0xff, 0xff}},
	}
	addr := serve(t, DefaultConfig(), &echo{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, connect(t, addr))
			p.open(1, false)
			p.send(1, true, test.content)
			if r := p.result(1); r.status() != test.code || !strings.Contains(r.message, test.want) {
				t.Errorf("answer %+v, want %v, %q", r, test.code, test.want)
			}
			p.wantEcho(3, "x")
		})
	}
	p := newPeer(t, connect(t, addr))
	p.open(1, true)
	if r := p.result(1); r.status() != codes.Internal {
		t.Errorf("headers alone: answer %+v", r)
	}
	for _, timeout := range []string{"", "soon", "7", "123456789S", "-1S"} {
		p := newPeer(t, connect(t, addr))
		p.open(1, false, "grpc-timeout", timeout)
		if r := p.result(1); r.status() != codes.Internal || r.message != "malformed grpc-timeout" {
			t.Errorf("a timeout of %q: answer %+v", timeout, r)
		}
	}
}

// TestARefusedClientMayGoOn: what it has sent before it knew is dropped.
func TestARefusedClientMayGoOn(t *testing.T) {
	p := newPeer(t, connect(t, serve(t, DefaultConfig(), &echo{limit: 100})))
	p.open(1, false)
	p.send(1, false, message(strings.Repeat("x", 1000)))
	p.send(1, false, make([]byte, maxFrame))
	p.send(1, true, make([]byte, maxFrame))
	if r := p.result(1); r.status() != codes.ResourceExhausted {
		t.Errorf("answer %+v, want ResourceExhausted", r)
	}
	if f, ok := p.next().(*http2.RSTStreamFrame); !ok || f.ErrCode != http2.ErrCodeNo {
		t.Errorf("after the answer comes %v, want a reset without an error", f)
	}
	p.wantEcho(3, "x")
}

func TestTooManyStreams(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxStreams = 3
	e := &echo{}
	p := newPeer(t, connect(t, serve(t, cfg, e)))
	for id := uint32(1); id <= 7; id += 2 {
		p.open(id, false)
	}
	if r := p.result(7); r.reset != http2.ErrCodeRefusedStream {
		t.Errorf("answer %+v, want REFUSED_STREAM", r)
	}
	p.send(3, true, message("x"))
	if r := p.result(3); r.code != "0" {
		t.Errorf("answer %+v", r)
	}
	p.wantEcho(9, "there is room again")
	e.wantHits(t, map[Limit]int{LimitCalls: 1})
}

// TestAbandonedCallsCount: a client that resets calls does not make more run at
// once than streams may be open.
func TestAbandonedCallsCount(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxStreams = 4
	release := make(chan struct{})
	var most, now atomic.Int32
	p := newPeer(t, connect(t, serve(t, cfg, &echo{answer: func(_ context.Context, m []byte) ([]byte, *Status) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release // Deaf to its context.
		now.Add(-1)
		return m, nil
	}})))
	id := uint32(1)
	for ; id < 100; id += 2 {
		p.open(id, false)
		p.send(id, true, message("x"))
		p.must(0, p.framer.WriteRSTStream(id, http2.ErrCodeCancel))
	}
	p.open(id, false)
	if r := p.result(id); r.reset != http2.ErrCodeRefusedStream {
		t.Errorf("answer %+v, want REFUSED_STREAM", r)
	}
	close(release)
	waitUntil(t, "they have ended", func() bool { return now.Load() == 0 })
	if most.Load() > 4 {
		t.Errorf("%d calls ran at once", most.Load())
	}
	waitUntil(t, "there is room again", func() bool {
		id += 2
		p.open(id, false)
		p.send(id, true, message("x"))
		return p.result(id).code == "0"
	})
}

func TestCallsOfAllConnectionsAreBounded(t *testing.T) {
	cfg := DefaultConfig()
	cfg.MaxCalls = 2
	addr := serve(t, cfg, &echo{})
	a, b := newPeer(t, connect(t, addr)), newPeer(t, connect(t, addr))
	a.open(1, false)
	a.open(3, false)
	a.must(0, a.framer.WritePing(false, [8]byte{}))
	a.next()
	b.open(1, false)
	if r := b.result(1); r.reset != http2.ErrCodeRefusedStream {
		t.Errorf("answer %+v, want REFUSED_STREAM", r)
	}
	a.send(3, true, message("x"))
	a.result(3)
	b.wantEcho(3, "x")
}

func TestHeadersThatAreTooLarge(t *testing.T) {
	e := &echo{}
	p := newPeer(t, connect(t, serve(t, DefaultConfig(), e)))
	block := p.fields(callFields("x", strings.Repeat("\x7e", 40<<10), "y", strings.Repeat("\x7e", 40<<10))...)
	p.must(0, p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:maxFrame]}))
	for block = block[maxFrame:]; len(block) > 0; block = block[min(len(block), maxFrame):] {
		p.must(0, p.framer.WriteContinuation(1, len(block) <= maxFrame, block[:min(len(block), maxFrame)]))
	}
	if r := p.result(1); r.http != "431" {
		t.Errorf("answer %+v, want 431", r)
	}
	p.wantEcho(3, "x")
	e.wantHits(t, map[Limit]int{LimitHeaders: 1})
}

// TestOtherProtocols are told, or cut off.
func TestOtherProtocols(t *testing.T) {
	addr := serve(t, DefaultConfig(), &echo{})
	for sent, want := range map[string]string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                                                "HTTP/1.1 415 Unsupported Media Type",
		"POST /v1/traces HTTP/1.0\r\nContent-Length: 99\r\n\r\nhalf a body":                "HTTP/1.1 415 Unsupported Media Type",
		"PUT / HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n" + strings.Repeat("x", 100<<10): "HTTP/1.1 415 Unsupported Media Type",
		"hello\r\n\r\n": "",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": "",
		"PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n":             "",
		strings.Repeat("x", 4096):                      "",
		"":                                             "",
	} {
		conn := connect(t, addr)
		_, _ = io.WriteString(conn, sent) // It may be cut off meanwhile.
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
		got, err := io.ReadAll(conn)
		if !strings.HasPrefix(string(got), want) || want == "" && len(got) > 0 || want != "" && (err != nil || !strings.HasSuffix(string(got), "not here\n")) {
			t.Errorf("%.30q: answer %q, %v, want %q", sent, got, err, want)
		}
	}
}

func TestFirstFrameIsSettings(t *testing.T) {
	addr := serve(t, DefaultConfig(), &echo{})
	for name, frame := range map[string][]byte{
		"a ping":             rawFrame(8, http2.FramePing, 0, 0, make([]byte, 8)),
		"an acknowledgement": rawFrame(0, http2.FrameSettings, http2.FlagSettingsAck, 0, nil),
	} {
		p := &peer{t: t, conn: connect(t, addr)}
		p.framer = http2.NewFramer(p.conn, p.conn)
		p.must(io.WriteString(p.conn, http2.ClientPreface))
		p.must(p.conn.Write(frame))
		t.Log(name)
		p.wantGoAway(http2.ErrCodeProtocol)
	}
}
