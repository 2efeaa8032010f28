// Package neterror sorts the errors of requests over a network into few kinds.
package neterror

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"syscall"
)

// Other is the conventions' name for an error that has none.
const Other = "_OTHER"

// Type sorts the errors of a round trip into few kinds, as error.type is
// a label.
func Type(err error) string {
	if timeout, is := errors.AsType[net.Error](err); is && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	if _, is := errors.AsType[*net.DNSError](err); is {
		return "name_resolution"
	}
	if isTLS(err) {
		return "tls"
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection_refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection_closed"
	case errors.Is(err, context.Canceled):
		return "canceled"
	}
	return Other
}

func isTLS(err error) bool {
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return true
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is {
		return true
	}
	if _, is := errors.AsType[tls.AlertError](err); is {
		return true
	}
	_, is := errors.AsType[x509.UnknownAuthorityError](err)
	return is
}
