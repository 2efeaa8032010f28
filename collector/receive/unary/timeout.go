package unary

import (
	"strconv"
	"time"
)

// longestTimeout is what a longer grpc-timeout is taken for: the longest that
// there is, 99999999 hours, would overflow, and nobody waits for an hour.
const longestTimeout = time.Hour

// parseTimeout reads a grpc-timeout: up to eight digits and a unit.
func parseTimeout(value string) (time.Duration, error) {
	const malformed = ProtocolError("malformed grpc-timeout")
	if value == "" {
		return 0, malformed
	}
	digits, scale := value[:len(value)-1], timeoutUnit(value[len(value)-1])
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || len(digits) > 8 || scale == 0 {
		return 0, malformed
	}
	if n >= uint64(longestTimeout/scale) {
		return longestTimeout, nil
	}
	return time.Duration(n) * scale, nil
}

func timeoutUnit(unit byte) time.Duration {
	switch unit {
	case 'H':
		return time.Hour
	case 'M':
		return time.Minute
	case 'S':
		return time.Second
	case 'm':
		return time.Millisecond
	case 'u':
		return time.Microsecond
	case 'n':
		return time.Nanosecond
	}
	return 0
}
