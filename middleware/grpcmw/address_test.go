package grpcmw

import (
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
)

func TestPeerAddress(t *testing.T) {
	tests := []struct {
		addr net.Addr
		want map[string]string
	}{
		{nil, map[string]string{}},
		{&net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 4711}, map[string]string{"network.peer.address": "10.1.2.3", "network.peer.port": "4711"}},
		{&net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 1}, map[string]string{"network.peer.address": "2001:db8::1", "network.peer.port": "1"}},
		{&net.UnixAddr{Net: "unix", Name: "/run/shop.sock"}, map[string]string{"network.peer.address": "/run/shop.sock"}},
		{text("[::1]:80"), map[string]string{"network.peer.address": "::1", "network.peer.port": "80"}},
		{text("host:http"), map[string]string{"network.peer.address": "host"}},
		{text("host:99999"), map[string]string{"network.peer.address": "host"}},
		{text(""), map[string]string{}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, asMap(appendPeer(nil, tt.addr))); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.addr, diff)
		}
	}
}

// text is an address as grpc.Server.ServeHTTP has it.
type text string

func (text) Network() string  { return "tcp" }
func (t text) String() string { return string(t) }

func asMap(attributes []attribute.KeyValue) map[string]string {
	m := map[string]string{}
	for _, kv := range attributes {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}
