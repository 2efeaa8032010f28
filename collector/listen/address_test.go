package listen

import (
	"net"
	"strings"
	"testing"
)

func TestCheckAddress(t *testing.T) {
	for _, good := range []string{"127.0.0.1:0", ":4317", "[::1]:65535", "localhost:80"} {
		if err := CheckAddress(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "4317", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:http", "127.0.0.1:+80", "::1:80"} {
		if err := CheckAddress(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestTCPSaysWhatIsWrong(t *testing.T) {
	taken, err := TCP(t.Context(), "receive.loki.address", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	at := taken.Addr().String()
	for address, want := range map[string]string{
		at:            "receive.loki.address: " + at + ": bind: address already in use (stop what has it, or set another address)",
		"192.0.2.1:0": "receive.loki.address: 192.0.2.1:0: bind: cannot assign requested address (no interface of this machine has that address)",
	} {
		l, err := TCP(t.Context(), "receive.loki.address", address)
		if err == nil {
			_ = l.Close()
		}
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestHintsKnowTheDefaultPorts has each of them taken by somebody else.
func TestHintsKnowTheDefaultPorts(t *testing.T) {
	taken, err := TCP(t.Context(), "", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, inUse := new(net.ListenConfig).Listen(t.Context(), "tcp", taken.Addr().String())
	for _, port := range []string{"4317", "4318", "5778", "6831", "6832", "14250", "14268", "9411", "3100", "8889", "13133", "16686"} {
		err := Explain("key", "127.0.0.1:"+port, inUse)
		if !strings.HasPrefix(err.Error(), "key: 127.0.0.1:"+port+": bind: address already in use (it is the default port of ") {
			t.Errorf("port %s: %v", port, err)
		}
	}
}

func TestLoopback(t *testing.T) {
	for addr, want := range map[net.Addr]bool{
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}: true, &net.TCPAddr{IP: net.IPv6loopback}: true, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}: true,
		&net.TCPAddr{IP: net.IPv4zero}: false, &net.TCPAddr{IP: net.IPv6unspecified}: false, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1)}: false,
	} {
		if got := Loopback(addr); got != want {
			t.Errorf("%v: %v", addr, got)
		}
	}
}
