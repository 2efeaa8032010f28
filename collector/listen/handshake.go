package listen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// handshakeTime is how long a client may take to begin.
const handshakeTime = 10 * time.Second

// secured does handshakes beside each other and gives out connections that are
// through. How many are at it is for the listener inside to bound.
type secured struct {
	net.Listener

	config  *tls.Config
	meters  meters
	ready   chan accepted
	ctx     context.Context // of the handshakes; ends with Close
	cancel  context.CancelFunc
	running sync.WaitGroup
}

type accepted struct {
	conn net.Conn
	err  error
}

func newSecured(inner net.Listener, config *tls.Config, m meters) *secured {
	l := &secured{Listener: inner, config: config, meters: m, ready: make(chan accepted)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.running.Go(l.accept)
	return l
}

// Accept implements net.Listener.
func (l *secured) Accept() (net.Conn, error) {
	select {
	case next := <-l.ready:
		return next.conn, next.err
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Handshakes in progress are cut off.
func (l *secured) Close() error {
	l.cancel()
	err := l.Listener.Close()
	l.running.Wait()
	return err
}

func (l *secured) accept() {
	for {
		conn, err := l.Listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			if !l.hand(accepted{err: err}) {
				return
			}
		default:
			l.running.Go(func() { l.shake(conn) })
		}
	}
}

func (l *secured) shake(conn net.Conn) {
	ctx, cancel := context.WithTimeout(l.ctx, handshakeTime)
	defer cancel()
	secure := tls.Server(conn, l.config)
	if err := secure.HandshakeContext(ctx); err != nil {
		if l.ctx.Err() == nil {
			l.meters.failed(reasonOf(err))
			tellPlain(err)
		}
		_ = conn.Close()
		return
	}
	if !l.hand(accepted{conn: secure}) {
		_ = conn.Close()
	}
}

// tellPlain answers those who have begun HTTP without TLS. They would see no more
// than a connection that ends.
func tellPlain(err error) {
	plain, ok := errors.AsType[tls.RecordHeaderError](err)
	if !ok || plain.Conn == nil {
		return
	}
	switch string(plain.RecordHeader[:4]) {
	case "GET ", "HEAD", "POST", "PUT ":
		if plain.Conn.SetWriteDeadline(time.Now().Add(time.Second)) == nil {
			_, _ = io.WriteString(plain.Conn, "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\nthis listener speaks TLS: use https://\n")
		}
	}
}

// hand waits for somebody to take the next; false says that nobody will.
func (l *secured) hand(next accepted) bool {
	select {
	case l.ready <- next:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// Why a handshake failed, as the label of
// waybill_listener_handshake_failures_total.
const (
	failedNoTLS         = "no_tls"
	failedNoCertificate = "no_certificate"
	failedExpired       = "expired_certificate"
	failedUnknown       = "unknown_certificate"
	failedRefused       = "refused_by_client"
	failedGone          = "gone"
	failedOther         = "other"
)

// failures are all of them.
func failures() []string {
	return []string{failedNoTLS, failedNoCertificate, failedExpired, failedUnknown, failedRefused, failedGone, failedOther}
}

func reasonOf(err error) string {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return failedNoTLS
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if invalid.Reason == x509.Expired {
			return failedExpired
		}
		return failedUnknown
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return failedUnknown
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return failedRefused
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "remote error" {
		return failedRefused // An alert: it does not trust us, mostly.
	}
	switch {
	case err.Error() == "tls: client didn't provide a certificate":
		return failedNoCertificate
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.DeadlineExceeded), errors.Is(err, net.ErrClosed):
		return failedGone
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return failedGone
	}
	return failedOther
}
