package listen

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/waybill-dev/waybill/collector/listen/listentest"
)

// echo answers each line with itself on every connection that is let through,
// until the test ends.
func echo(t *testing.T, r *rig) string {
	t.Helper()
	inner, err := TCP(t.Context(), "key", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := r.Secure(inner)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("Accept: %v", err)
				}
				return
			}
			running.Go(func() {
				defer func() { _ = conn.Close() }()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		running.Wait()
	})
	return l.Addr().String()
}

// connect does a handshake; the connection ends with the test.
func connect(t *testing.T, addr string, cfg *tls.Config) (*tls.Conn, error) {
	t.Helper()
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: cfg}
	conn, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*tls.Conn), say(conn)
}

// say sends a line and wants it back.
func say(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "hello\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && line != "hello\n" {
		err = errors.New("it came back as " + line)
	}
	return err
}

func TestHandshakes(t *testing.T) {
	authority, stranger := listentest.NewAuthority(t), listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	r := newRig(t, Security{TLS: TLS{CertFile: File(cert), KeyFile: File(key), ClientCAFile: File(authority.CAFile()), MinVersion: TLS13}})
	addr := echo(t, r)
	client := func(a *listentest.Authority, expires time.Duration) *tls.Config {
		certFile, keyFile := a.IssueUntil(t, "client", time.Now().Add(expires))
		cfg := a.Client(t, certFile, keyFile)
		cfg.RootCAs = authority.Pool()
		return cfg
	}
	old := client(authority, time.Hour)
	old.MaxVersion = tls.VersionTLS12
	suspicious := client(authority, time.Hour)
	suspicious.RootCAs = stranger.Pool()
	for _, test := range []struct {
		name   string
		cfg    *tls.Config
		reason string // empty: it is let through
	}{
		{"good", client(authority, time.Hour), ""},
		{"without a certificate", authority.Client(t, "", ""), failedNoCertificate},
		{"a stranger's", client(stranger, time.Hour), failedUnknown},
		{"expired", client(authority, -time.Hour), failedExpired},
		{"who does not trust us", suspicious, failedRefused},
		{"too old", old, failedOther},
	} {
		_, err := connect(t, addr, test.cfg)
		if (err == nil) != (test.reason == "") {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.reason != "" {
			eventually(t, test.name+" is counted", func() bool { return r.failures(test.reason) == 1 })
		}
	}
	if got := r.failures(failedNoTLS) + r.failures(failedGone); got != 0 {
		t.Errorf("%v more were counted", got)
	}
}

func TestWhoSpeaksNoTLS(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	r := newRig(t, Security{TLS: TLS{CertFile: File(cert), KeyFile: File(key)}})
	addr := echo(t, r)
	plain := func(text string) string {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		if text == "" {
			return ""
		}
		answer, err := io.ReadAll(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q: the connection stays open", text)
		}
		return string(answer)
	}
	if answer := plain("POST /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n"); !strings.Contains(answer, "400 Bad Request") || !strings.Contains(answer, "https://") {
		t.Errorf("plain HTTP was answered with %q", answer)
	}
	if answer := plain("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); strings.Contains(answer, "HTTP/1.0") {
		t.Errorf("plain gRPC was answered with %q", answer)
	}
	plain("")
	eventually(t, "all three are counted", func() bool { return r.failures(failedNoTLS) == 2 && r.failures(failedGone) == 1 })
}

// TestCertificateIsRotated replaces it while a connection is open.
func TestCertificateIsRotated(t *testing.T) {
	authority, next := listentest.NewAuthority(t), listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	r := newRig(t, Security{TLS: TLS{CertFile: File(cert), KeyFile: File(key)}})
	addr := echo(t, r)
	open, err := connect(t, addr, authority.Client(t, "", ""))
	if err != nil {
		t.Fatal(err)
	}
	before := testutil.ToFloat64(r.Guard.meters.expires)

	writeFile(t, cert, "half a certificate")
	eventually(t, "the spoilt file is refused", func() bool { return r.changes("refused") == 1 })
	if _, err := connect(t, addr, authority.Client(t, "", "")); err != nil {
		t.Errorf("with a spoilt file: %v", err)
	}

	nextCert, nextKey := next.IssueUntil(t, "collector", time.Now().Add(2*time.Hour))
	for from, to := range map[string]string{nextCert: cert, nextKey: key} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, to, string(data))
	}
	eventually(t, "the next certificate is shown", func() bool {
		_, err := connect(t, addr, next.Client(t, "", ""))
		return err == nil
	})
	if err := say(open); err != nil {
		t.Errorf("the connection that was open: %v", err)
	}
	if _, err := connect(t, addr, authority.Client(t, "", "")); err == nil {
		t.Error("the old certificate is still shown")
	}
	if after := testutil.ToFloat64(r.Guard.meters.expires); after-before < 3000 {
		t.Errorf("the certificate expires at %v, it did at %v", after, before)
	}
}

// TestClientAuthorityIsRotated replaces it: whoever the new one vouches for is let
// in, and those of the old one are not any more.
func TestClientAuthorityIsRotated(t *testing.T) {
	authority, next := listentest.NewAuthority(t), listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	ca := writeFile(t, "", readFileOf(t, authority.CAFile()))
	r := newRig(t, Security{TLS: TLS{CertFile: File(cert), KeyFile: File(key), ClientCAFile: ca}})
	addr := echo(t, r)
	client := func(a *listentest.Authority) *tls.Config {
		certFile, keyFile := a.Issue(t, "client")
		cfg := a.Client(t, certFile, keyFile)
		cfg.RootCAs, cfg.ClientSessionCache = authority.Pool(), tls.NewLRUClientSessionCache(4)
		return cfg
	}
	before, after := client(authority), client(next)
	if _, err := connect(t, addr, before); err != nil {
		t.Fatal(err)
	}
	writeFile(t, string(ca), readFileOf(t, next.CAFile()))
	eventually(t, "the new authority counts", func() bool {
		_, err := connect(t, addr, after)
		return err == nil
	})
	if _, err := connect(t, addr, before); err == nil {
		t.Error("a client of the old authority is let in")
	}
}

func readFileOf(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestExpiredCertificateIsTold(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.IssueUntil(t, "collector", time.Now().Add(-time.Minute))
	r := newRig(t, Security{TLS: TLS{CertFile: File(cert), KeyFile: File(key)}})
	if text := r.log.String(); !strings.Contains(text, "certificate has expired") || !strings.Contains(text, "receive.test") {
		t.Errorf("logged:\n%s", text)
	}
}

// TestCloseEndsHandshakes has a client that never begins.
func TestCloseEndsHandshakes(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	r := newRig(t, Security{TLS: TLS{CertFile: File(cert), KeyFile: File(key)}})
	inner, err := TCP(t.Context(), "key", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := r.Secure(inner)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	began := time.Now()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > handshakeTime/2 {
		t.Errorf("it took %v", took)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v", err)
	}
}
