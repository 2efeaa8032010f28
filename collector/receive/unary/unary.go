// Package unary serves calls of gRPC that have one message each way, after
// "gRPC over HTTP2" of the gRPC project and RFC 9113.
//
// It exists because a receiver of telemetry wants what a general server does not
// give: the length of a message before a byte of it is kept, so that memory is
// admitted and not measured; the bytes where they belong, copied once from the
// connection's buffer; and little else that costs, such as a goroutine's turn
// for each frame. Framing and header compression are golang.org/x/net's.
//
// One goroutine reads a connection. It hands the bytes of a message to its call
// as they come, and a whole message to a goroutine that answers. Who answers
// writes to the connection itself; answers that are ready meanwhile go out with
// the same write. One more goroutine looks after all connections of a server,
// and ends what has been waiting for too long.
package unary

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
)

// Handler decides what becomes of requests. It is called by many goroutines at
// once.
type Handler interface {
	// Open is asked when a request's headers are here, before anything else of
	// it is read. It must not block: all calls of the connection wait for it. A
	// status that is not nil is the answer; else the call goes on.
	Open(head *Header) (Call, *Status)
}

// Call is one call, from its headers to its answer. Its methods are called one
// at a time. It ends with Answer, with Abort, or with a status that is not nil
// out of Begin or Write, and has then to have given back what it holds.
type Call interface {
	// Begin is told how many bytes the message has, before the first of them,
	// and whether it is compressed. It must not block.
	Begin(length int64, compressed bool) *Status
	// Write keeps the next bytes of the message. It must not block, and must
	// not hold p.
	Write(p []byte) *Status
	// Answer acts on the message, which is whole, and returns the response, or
	// the status that there is instead. It has to return soon after ctx has
	// ended, which happens when the client has gone, no longer waits or has
	// canceled.
	Answer(ctx context.Context) (response []byte, refused *Status)
	// Abort is told that the message will never be whole, and why: one of the
	// errors of this package, or context.DeadlineExceeded. It returns what the
	// client is told, if it is still there. It must not block.
	Abort(why error) *Status
}

// Header is what the headers of a request say. It is valid until Open returns.
type Header struct {
	// Major is HTTP's version. What came by HTTP/1 is no call, and can only be
	// refused, by a status with HTTP.
	Major int
	// Method and Path are those of HTTP; a path is "/package.Service/Method".
	Method, Path string
	// Peer is who has sent it.
	Peer net.Addr
	// TLS is the connection's state, nil where there is no TLS.
	TLS *tls.ConnectionState
	// At is when the headers came.
	At time.Time

	fields []hpack.HeaderField
}

// Values are those of a header or of the call's metadata, in lower case.
func (h *Header) Values(name string) []string {
	var values []string
	for _, f := range h.fields {
		if f.Name == name {
			values = append(values, f.Value)
		}
	}
	return values
}

// Add adds a field, by its name in lower case. Tests of handlers need it.
func (h *Header) Add(name, value string) {
	h.fields = append(h.fields, hpack.HeaderField{Name: name, Value: value})
}

// Get is the first of a header's values, or empty.
func (h *Header) Get(name string) string {
	for _, f := range h.fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Status is an answer without a response.
type Status struct {
	// Code and Message are gRPC's. A message of more than 1 KiB is cut.
	Code    codes.Code
	Message string
	// Details is an encoded google.rpc.Status, with at most 8 KiB, or empty.
	Details []byte
	// HTTP is set in an answer to what is no call of gRPC: a status of HTTP,
	// with the message as its text.
	HTTP int
	// Challenge is what it says in WWW-Authenticate, if anything.
	Challenge string
}

// Why a message will never be whole.
var (
	// ErrCanceled is a client that has reset the call.
	ErrCanceled = errors.New("the client has canceled the call")
	// ErrGone is a connection that has ended.
	ErrGone = errors.New("the connection ended before the message did")
	// ErrShort is a client that has ended the call in the middle of the message.
	ErrShort = errors.New("the call ended before its message did")
	// ErrSlow is a client that was cut off because it stalls.
	ErrSlow = errors.New("the message came too slowly")
)

// ProtocolError is a fault in how gRPC or HTTP/2 is spoken.
type ProtocolError string

// Error implements error.
func (e ProtocolError) Error() string { return string(e) }
