package receive

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
)

// message reads the one message of a call, and that nothing follows it.
type message struct {
	body  io.Reader
	left  int64
	extra [1]byte
}

// Read implements io.Reader.
func (m *message) Read(p []byte) (int, error) {
	if m.left == 0 {
		n, err := m.body.Read(m.extra[:])
		if n > 0 {
			return 0, protocolError("the call has more than one message")
		}
		return 0, err
	}
	n, err := m.body.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	if errors.Is(err, io.EOF) && m.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// withCallTimeout obeys the header grpc-timeout: up to eight digits and a unit.
func withCallTimeout(ctx context.Context, value string) (context.Context, context.CancelFunc, error) {
	if value == "" {
		return ctx, func() {}, nil
	}
	digits, unit := value[:len(value)-1], value[len(value)-1:]
	n, err := strconv.ParseUint(digits, 10, 32)
	scale := timeoutUnit(unit)
	if err != nil || len(digits) > 8 || scale == 0 {
		return nil, nil, protocolError("malformed grpc-timeout")
	}
	// The longest, 99999999 hours, would overflow; nobody waits for an hour.
	timeout := time.Hour
	if n < uint64(timeout/scale) {
		timeout = time.Duration(n) * scale
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return ctx, cancel, nil
}

func timeoutUnit(unit string) time.Duration {
	switch unit {
	case "H":
		return time.Hour
	case "M":
		return time.Minute
	case "S":
		return time.Second
	case "m":
		return time.Millisecond
	case "u":
		return time.Microsecond
	case "n":
		return time.Nanosecond
	}
	return 0
}

// percentEncode writes a grpc-message: printable ASCII without '%' as it is.
func percentEncode(message string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for _, c := range []byte(message) {
		if c >= ' ' && c <= '~' && c != '%' {
			out.WriteByte(c)
			continue
		}
		out.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return out.String()
}
