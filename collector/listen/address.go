package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"syscall"
)

// CheckAddress says what is wrong with a host and port to listen on.
func CheckAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return fmt.Errorf("%q: the port is no number from 0 to 65535", address)
	}
	return nil
}

// TCP opens a listener. Its error begins with key, the configuration's.
func TCP(ctx context.Context, key, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, Explain(key, address, err)
	}
	return l, nil
}

// Explain puts an error of listening in the words of the configuration, and
// adds what is known of the reason. Another error stays as it is.
func Explain(key, address string, err error) error {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "listen" {
		return err
	}
	err = op.Err // Without address and network, which are said already.
	reason := fmt.Errorf("%s: %s: %w", key, address, err)
	if hint := hint(address, err); hint != "" {
		return fmt.Errorf("%w (%s)", reason, hint)
	}
	return reason
}

func hint(address string, err error) string {
	_, port, splitting := net.SplitHostPort(address)
	switch {
	case splitting != nil:
		return ""
	case errors.Is(err, syscall.EADDRINUSE):
		if who := usual(port); who != "" {
			return fmt.Sprintf("it is the default port of %s: stop what has it, or set another address, or \"off\"", who)
		}
		return "stop what has it, or set another address"
	case errors.Is(err, fs.ErrPermission):
		return "ports below 1024 may need a privilege"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no interface of this machine has that address"
	}
	return ""
}

// usual are the programs that take a port when nobody says otherwise.
func usual(port string) string {
	switch port {
	case "4317", "4318":
		return "OTLP, so another collector, the OpenTelemetry Collector or Jaeger may have it"
	case "5778", "6831", "6832":
		return "Jaeger's agent, so another collector or Jaeger may have it"
	case "14250", "14268":
		return "Jaeger's collector, so another collector or Jaeger may have it"
	case "9411":
		return "Zipkin, so another collector, Zipkin or Jaeger may have it"
	case "3100":
		return "Loki"
	case "8889":
		return "metrics of a collector, so another collector or the OpenTelemetry Collector may have it"
	case "13133":
		return "a collector's health, so another collector, the OpenTelemetry Collector or Jaeger may have it"
	case "16686":
		return "Jaeger's pages, so another viewer or Jaeger may have it"
	}
	return ""
}

// Loopback says whether only this machine can reach what listens there.
func Loopback(addr net.Addr) bool {
	switch a := addr.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UDPAddr:
		return a.IP.IsLoopback()
	}
	return false
}
