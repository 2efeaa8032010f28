//go:build unix

package unary

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// drain takes messages in as a receiver does: into memory of its own, used
// again.
type drain struct{ pool sync.Pool }

func (d *drain) get(n int) *[]byte {
	if pooled, ok := d.pool.Get().(*[]byte); ok && cap(*pooled) >= n {
		*pooled = (*pooled)[:0]
		return pooled
	}
	made := make([]byte, 0, n)
	return &made
}

// Open implements Handler.
func (d *drain) Open(*Header) (Call, *Status) { return &drainCall{drain: d}, nil }

type drainCall struct {
	drain *drain
	got   *[]byte
}

func (c *drainCall) Begin(length int64, _ bool) *Status {
	c.got = c.drain.get(int(length))
	return nil
}

func (c *drainCall) Write(p []byte) *Status {
	*c.got = append(*c.got, p...)
	return nil
}

func (c *drainCall) Answer(context.Context) ([]byte, *Status) {
	c.drain.pool.Put(c.got)
	return nil, nil
}

func (c *drainCall) Abort(why error) *Status {
	return &Status{Code: codes.Unavailable, Message: why.Error()}
}

// ServeHTTP is the same on net/http's HTTP/2.
func (d *drain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var prefix [messagePrefix]byte
	if _, err := io.ReadFull(r.Body, prefix[:]); err != nil {
		return
	}
	got := d.get(int(binary.BigEndian.Uint32(prefix[1:])))
	*got = (*got)[:binary.BigEndian.Uint32(prefix[1:])]
	if _, err := io.ReadFull(r.Body, *got); err != nil {
		return
	}
	d.pool.Put(got)
	w.Header().Set("Content-Type", "application/grpc")
	_, _ = w.Write(make([]byte, messagePrefix))
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
}

// stream is the same on grpc-go.
func (d *drain) stream(_ any, s grpc.ServerStream) error {
	var got, none []byte
	if err := s.RecvMsg(&got); err != nil {
		return status.Error(codes.Unavailable, err.Error())
	}
	return s.SendMsg(&none)
}

// BenchmarkServers has grpc-go's client send requests of 250 kB, as 500 spans
// have, and of 500 bytes to each server. The CPU time is that of both sides.
func BenchmarkServers(b *testing.B) {
	servers := map[string]func(b *testing.B, l net.Listener){
		"unary": func(b *testing.B, l net.Listener) {
			s := New(DefaultConfig(), &drain{}, slog.New(slog.DiscardHandler))
			go func() { _ = s.Serve(l) }()
			b.Cleanup(func() { _ = s.Shutdown(context.Background()) })
		},
		"net-http": func(b *testing.B, l net.Listener) {
			s := &http.Server{Handler: &drain{}, Protocols: new(http.Protocols), ReadHeaderTimeout: time.Minute, HTTP2: &http.HTTP2Config{
				MaxConcurrentStreams: 256, MaxReceiveBufferPerStream: 1 << 20, MaxReceiveBufferPerConnection: 1 << 20,
			}}
			s.Protocols.SetUnencryptedHTTP2(true)
			go func() { _ = s.Serve(l) }()
			b.Cleanup(func() { _ = s.Close() })
		},
		"grpc-go": func(b *testing.B, l net.Listener) {
			s := grpc.NewServer(grpc.ForceServerCodecV2(raw{}), grpc.UnknownServiceHandler((&drain{}).stream))
			go func() { _ = s.Serve(l) }()
			b.Cleanup(s.Stop)
		},
	}
	for name, size := range map[string]int{"250kB": 250_000, "500B": 500} {
		for server, start := range servers {
			b.Run(name+"/"+server, func(b *testing.B) {
				l, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
				if err != nil {
					b.Fatal(err)
				}
				start(b, l)
				conn := dial(b, l.Addr())
				content := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.SetParallelism(4)
				began := cpu(b)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := invoke(b.Context(), conn, content); err != nil {
							b.Error(err)
						}
					}
				})
				b.ReportMetric(float64(cpu(b)-began)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// cpu is the process's time so far.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
