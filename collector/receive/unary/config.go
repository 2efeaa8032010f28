package unary

import "time"

const (
	// streamWindow is what a client may send of a message that nobody has
	// admitted yet, in bytes. It costs no memory here, only the network.
	streamWindow = 1 << 20
	// connectionWindow is what it may send on a connection before we have read
	// half of it, in bytes. It is large so that few frames say that we have:
	// what bounds memory is not the window, but what calls admit.
	connectionWindow = 16 << 20
	// maxFrame is the largest frame, in bytes: what HTTP/2 begins with.
	maxFrame = 16 << 10
)

// Config bounds what clients may do.
type Config struct {
	// MaxStreams bounds the calls at once on one connection, and MaxCalls those
	// on all of them. A client may try again what is beyond; most do so by
	// themselves.
	MaxStreams, MaxCalls int
	// LeastMessage is how many bytes messages have, nearly always. A connection at
	// rest sleeps until there can be so long a one, so that it does not wake up for
	// a WINDOW_UPDATE and a PING, with which clients of grpc-go follow each answer:
	// with two bytes or more it does not. What is less waits for half a second.
	LeastMessage int
	// MaxHeaderBytes bounds the headers of one call, in bytes without
	// compression.
	MaxHeaderBytes int
	// GreetingTimeout is for a connection's first frame, TLS included.
	GreetingTimeout time.Duration
	// BodyTimeout is how long a message may take to come, from the call's
	// headers.
	BodyTimeout time.Duration
	// MinRate is how fast it has to come, in bytes a second, and SlowAfter how
	// far a client may fall behind, on the whole or since its last byte. A
	// message that is too long to come within BodyTimeout at that rate has to
	// come faster. Zero leaves BodyTimeout alone.
	MinRate   float64
	SlowAfter time.Duration
	// WriteTimeout is how long a client may leave what we write unread.
	WriteTimeout time.Duration
	// IdleTimeout closes a connection on which there is no call.
	IdleTimeout time.Duration
	// PingAfter is how long a connection may be silent before it is asked for a
	// sign of life, and PingTimeout how long that may take.
	PingAfter, PingTimeout time.Duration
	// AcceptEncoding is what messages may be compressed with, as clients are
	// told.
	AcceptEncoding string
	// Hit is told of each limit that a client has come to. It must not block,
	// and is called by many goroutines at once.
	Hit func(Limit)
}

// DefaultConfig suits a receiver that many clients share.
func DefaultConfig() Config {
	return Config{
		MaxStreams:      256,
		MaxCalls:        16 << 10,
		MaxHeaderBytes:  64 << 10,
		GreetingTimeout: 10 * time.Second,
		BodyTimeout:     time.Minute,
		MinRate:         16 << 10,
		SlowAfter:       5 * time.Second,
		WriteTimeout:    time.Minute,
		IdleTimeout:     5 * time.Minute,
		PingAfter:       time.Minute,
		PingTimeout:     20 * time.Second,
		AcceptEncoding:  "identity",
		Hit:             func(Limit) {},
	}
}

// tick is how often connections are looked after: a quarter of the shortest
// bound, or of a second.
func (c Config) tick() time.Duration {
	shortest := min(c.GreetingTimeout, c.BodyTimeout, c.WriteTimeout, c.IdleTimeout, c.PingAfter, c.PingTimeout)
	if c.MinRate > 0 {
		shortest = min(shortest, c.SlowAfter)
	}
	return min(max(shortest/4, time.Millisecond), time.Second/4)
}
