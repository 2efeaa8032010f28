package unary

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// TestAnswersWaitForRoom: of the stream, of the connection, byte by byte.
func TestAnswersWaitForRoom(t *testing.T) {
	large := bytes.Repeat([]byte("large "), 100_000)
	e := &echo{answer: func(_ context.Context, m []byte) ([]byte, *Status) {
		if string(m) == "large" {
			return large, nil
		}
		return m, nil
	}}
	addr := serve(t, DefaultConfig(), e)

	p := newPeer(t, connect(t, addr), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	p.open(1, false)
	p.send(1, true, message("hello"))
	for range 4 {
		p.must(0, p.framer.WriteWindowUpdate(1, 1))
	}
	p.must(0, p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 2}))
	p.must(0, p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100}))
	if r := p.result(1); r.code != "0" || string(r.body) != string(message("hello")) {
		t.Errorf("answer %+v", r)
	}

	// Two share the connection's window, which is used up.
	p = newPeer(t, connect(t, addr), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20})
	p.open(1, false)
	p.open(3, false)
	p.send(1, true, message("large"))
	p.send(3, true, message("large"))
	got, left := map[uint32]int{}, firstWindow
	for ended := 0; ended < 2; {
		switch f := p.next().(type) {
		case *http2.DataFrame:
			got[f.StreamID] += len(f.Data())
			if left -= len(f.Data()); left < 0 {
				t.Fatal("more came than there was room for")
			}
			if left == 0 {
				left = 100_000
				p.must(0, p.framer.WriteWindowUpdate(0, 100_000))
			}
		case *http2.MetaHeadersFrame:
			if f.StreamEnded() {
				ended++
			}
		}
	}
	if want := len(large) + messagePrefix; got[1] != want || got[3] != want {
		t.Errorf("got %v bytes, want %d each", got, want)
	}

	// A window may become negative.
	p = newPeer(t, connect(t, addr), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
	p.open(1, false)
	p.send(1, true, message("large"))
	first := p.next()
	for ; first.Header().Type != http2.FrameData; first = p.next() {
		continue
	}
	p.must(0, p.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
	p.must(0, p.framer.WriteWindowUpdate(1, 1001))
	if f, ok := p.next().(*http2.DataFrame); !ok || len(f.Data()) != 1 {
		t.Errorf("%v, want one byte", f)
	}
	p.must(0, p.framer.WriteRSTStream(1, http2.ErrCodeCancel))
	p.wantNothingOf(1)
}

// wantNothingOf sees that a stream is over.
func (p *peer) wantNothingOf(id uint32) {
	p.t.Helper()
	p.must(0, p.framer.WritePing(false, [8]byte{9}))
	for {
		f := p.next()
		if ping, ok := f.(*http2.PingFrame); ok && ping.IsAck() {
			return
		}
		if f.Header().StreamID == id {
			p.t.Errorf("%v, want no more of it", f)
		}
	}
}

// TestFewFramesSayThatThereIsRoom.
func TestFewFramesSayThatThereIsRoom(t *testing.T) {
	p := newPeer(t, connect(t, serve(t, DefaultConfig(), &echo{answer: func(context.Context, []byte) ([]byte, *Status) { return nil, nil }})))
	content := message(string(make([]byte, 20<<20)))
	go func() {
		p.open(1, false)
		for rest := content; len(rest) > 0; {
			n := min(maxFrame, len(rest))
			p.send(1, n == len(rest), rest[:n])
			rest = rest[n:]
		}
	}()
	updates := map[uint32]int{}
	room := map[uint32]int{0: firstWindow, 1: firstWindow}
	for {
		f, err := p.framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := f.(*http2.WindowUpdateFrame); ok {
			updates[u.StreamID]++
			room[u.StreamID] += int(u.Increment)
		}
		if s, ok := f.(*http2.SettingsFrame); ok && !s.IsAck() {
			initial, _ := s.Value(http2.SettingInitialWindowSize)
			room[1] += int(initial) - firstWindow
		}
		if h, ok := f.(*http2.MetaHeadersFrame); ok && h.StreamEnded() {
			break
		}
	}
	// One more for the connection begins with it.
	if updates[1] != 1 || updates[0] != 1+len(content)/(connectionWindow/2) {
		t.Errorf("there were %v updates", updates)
	}
	if room[0] < len(content) || room[1] < len(content) {
		t.Errorf("there was room for %v bytes", room)
	}
}

func TestOverTLS(t *testing.T) {
	other := httptest.NewTLSServer(nil) // It has a certificate.
	defer other.Close()
	trusted := other.Client().Transport.(*http.Transport).TLSClientConfig
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	saw := make(chan *tls.ConnectionState, 1)
	serveAt(t, tls.NewListener(l, &tls.Config{Certificates: other.TLS.Certificates, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}),
		DefaultConfig(), &echo{open: func(head *Header) *Status {
			saw <- head.TLS
			return nil
		}})
	conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(),
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: trusted.RootCAs, ServerName: "example.com", MinVersion: tls.VersionTLS13})),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{})))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	want := bytes.Repeat([]byte("x"), 3<<20)
	if got, err := invoke(t.Context(), conn, want); err != nil || !bytes.Equal(got, want) {
		t.Errorf("answer of %d bytes, %v", len(got), err)
	}
	if state := <-saw; state == nil || state.NegotiatedProtocol != "h2" || !state.HandshakeComplete {
		t.Errorf("the handler saw %v", state)
	}
	plain := connect(t, l.Addr())
	if _, err := io.WriteString(plain, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, plain) // It ends.
}

func TestInput(t *testing.T) {
	sent := make([]byte, 150_000)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	for name, from := range map[string]io.Reader{
		"whole":           bytes.NewReader(sent),
		"byte by byte":    iotest.OneByteReader(bytes.NewReader(sent)),
		"in halves":       iotest.HalfReader(bytes.NewReader(sent)),
		"error with data": iotest.DataErrReader(bytes.NewReader(sent)),
	} {
		much := false
		var l large
		in := newInput(from, &l, func() bool {
			much = !much // As messages begin and end.
			return much
		})
		got, err := io.ReadAll(in)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if in.giveBack(); l.held.Load() != 0 {
			t.Errorf("%s: a large buffer is held", name)
		}
	}
}

func TestLargeBuffersAreBounded(t *testing.T) {
	var l large
	for range maxLarge {
		if l.get() == nil {
			t.Fatal("there is none although few are held")
		}
	}
	in := newInput(bytes.NewReader(make([]byte, 100_000)), &l, func() bool { return true })
	if got, err := in.next(100_000); err != nil || len(got) != smallRead {
		t.Errorf("read %d bytes, %v, want a small piece", len(got), err)
	}
	l.put(new([largeRead]byte))
	in.rest = nil
	if got, err := in.next(100_000); err != nil || len(got) != largeRead {
		t.Errorf("read %d bytes, %v, want a large piece", len(got), err)
	}
}

func TestTimeouts(t *testing.T) {
	for in, want := range map[string]string{
		"1H": "1h0m0s", "99999999H": "1h0m0s", "2M": "2m0s", "30S": "30s", "0S": "0s", "250m": "250ms", "7u": "7µs", "99999999n": "99.999999ms",
		"": "", "1": "", "H": "", "1h": "", "-1S": "", "+1S": "", "123456789n": "", "1.5S": "", "1 S": "",
	} {
		got, err := parseTimeout(in)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("parseTimeout(%q) = %v, %v; want %q", in, got, err, want)
		}
	}
}

func TestPercentEncode(t *testing.T) {
	for in, want := range map[string]string{"plain text": "plain text", "100%": "100%25", "grün\n": "gr%C3%BCn%0A", "": ""} {
		if got := percentEncode(in); got != want {
			t.Errorf("percentEncode(%q) = %q, want %q", in, got, want)
		}
	}
}
