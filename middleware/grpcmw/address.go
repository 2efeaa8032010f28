package grpcmw

import (
	"net"
	"strconv"

	"go.opentelemetry.io/otel/attribute"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// appendPeer adds the address at the other end of the connection.
func appendPeer(attributes []attribute.KeyValue, addr net.Addr) []attribute.KeyValue {
	switch addr := addr.(type) {
	case nil:
		return attributes
	case *net.TCPAddr:
		return append(attributes,
			semconv.NetworkPeerAddress.String(addr.AddrPort().Addr().Unmap().String()), semconv.NetworkPeerPort.Int(addr.Port))
	default: // A Unix domain socket, a pipe in memory, or what ServeHTTP has as text.
		return appendHostPort(attributes, addr.String(), semconv.NetworkPeerAddress, semconv.NetworkPeerPort)
	}
}

// appendHostPort adds host:port as two attributes, and what is no such thing
// as the address.
func appendHostPort(attributes []attribute.KeyValue, text string, address, port attribute.Key) []attribute.KeyValue {
	if text == "" {
		return attributes
	}
	host, digits, err := net.SplitHostPort(text)
	if err != nil {
		return append(attributes, address.String(text))
	}
	attributes = append(attributes, address.String(host))
	if number, err := strconv.ParseUint(digits, 10, 16); err == nil {
		attributes = append(attributes, port.Int(int(number)))
	}
	return attributes
}
