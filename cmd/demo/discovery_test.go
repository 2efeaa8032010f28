package main

import (
	"errors"
	"net"
	"testing"
)

func TestAdvertised(t *testing.T) {
	network := func(cidr string) net.Addr {
		ip, mask, err := net.ParseCIDR(cidr)
		if err != nil {
			t.Fatal(err)
		}
		return &net.IPNet{IP: ip, Mask: mask.Mask}
	}
	machine := []net.Addr{network("127.0.0.1/8"), network("fe80::1/64"), network("169.254.1.1/16"), network("10.1.2.3/24"), network("10.9.9.9/24")}
	for _, c := range []struct {
		said, listen string
		machine      []net.Addr
		want         string
		fails        bool
	}{
		{"order:9002", "0.0.0.0:9002", nil, "order:9002", false},
		{"10.0.0.1:9002", "0.0.0.0:9002", nil, "10.0.0.1:9002", false},
		{":15006", "127.0.0.1:9002", machine, "10.1.2.3:15006", false},
		{"", "0.0.0.0:9002", machine, "10.1.2.3:9002", false},
		{"", "[::]:9002", machine, "10.1.2.3:9002", false},
		{"", ":9002", machine, "10.1.2.3:9002", false},
		// Where it listens is known once it does.
		{"", "127.0.0.1:9002", nil, "", false},
		{"", "0.0.0.0:0", nil, "", false},
		{"", "localhost:0", nil, "", false},
		{"", ":9002", machine[:3], "", true},
		{"order", "0.0.0.0:9002", machine, "", true},
	} {
		got, err := advertised(c.said, c.listen, func() ([]net.Addr, error) { return c.machine, nil })
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%q, listening on %q: %q, %v, want %q", c.said, c.listen, got, err, c.want)
		}
	}
	broken := errors.New("no interfaces")
	if _, err := advertised(":9002", "", func() ([]net.Addr, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("%v, want %v", err, broken)
	}
}
