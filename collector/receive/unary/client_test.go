package unary

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// raw is a codec of grpc-go for bytes.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// dial gives a connection of grpc-go's client.
func dial(t testing.TB, addr fmt.Stringer) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr.String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{}), grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func invoke(ctx context.Context, conn *grpc.ClientConn, content []byte) ([]byte, error) {
	var answer []byte
	err := conn.Invoke(ctx, "/echo.Echo/Echo", &content, &answer)
	return answer, err
}

func TestClientOfGRPCGo(t *testing.T) {
	conn := dial(t, serve(t, DefaultConfig(), &echo{}))
	for _, size := range []int{0, 1, 5, 16 << 10, 64<<10 - 5, 1 << 20, 1<<20 + 1, 20 << 20} {
		want := bytes.Repeat([]byte{'x'}, size)
		got, err := invoke(t.Context(), conn, want)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: answer of %d, %v", size, len(got), err)
		}
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	addr := serve(t, DefaultConfig(), &echo{})
	var calling sync.WaitGroup
	for n := range 4 {
		conn := dial(t, addr)
		for i := range 16 {
			calling.Go(func() {
				for k := range 20 {
					want := []byte(strings.Repeat(fmt.Sprintf("%d-%d-%d ", n, i, k), 1+i*k*20))
					got, err := invoke(t.Context(), conn, want)
					if err != nil || !bytes.Equal(got, want) {
						t.Errorf("answer of %d bytes to %d, %v", len(got), len(want), err)
						return
					}
				}
			})
		}
	}
	calling.Wait()
}

func TestStatusReachesTheClient(t *testing.T) {
	conn := dial(t, serve(t, DefaultConfig(), &echo{answer: func(context.Context, []byte) ([]byte, *Status) {
		return nil, &Status{Code: codes.NotFound, Message: "grün, 100% " + strings.Repeat("ü", 2000)}
	}}))
	_, err := invoke(t.Context(), conn, []byte("x"))
	got := status.Convert(err)
	if got.Code() != codes.NotFound || !strings.HasPrefix(got.Message(), "grün, 100% ü") || len(got.Message()) > maxMessage {
		t.Errorf("answer %v of %d bytes", got, len(got.Message()))
	}
}

func TestMetadataIsSeenBeforeTheMessage(t *testing.T) {
	e := &echo{open: func(head *Header) *Status {
		if head.Get("authorization") != "Bearer right" || len(head.Values("x-twice")) != 2 || head.TLS != nil || head.Peer == nil {
			return &Status{Code: codes.Unauthenticated, Message: "who is it"}
		}
		return nil
	}}
	conn := dial(t, serve(t, DefaultConfig(), e))
	large := make([]byte, 8<<20)
	if _, err := invoke(t.Context(), conn, large); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without metadata: %v", err)
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer right", "x-twice", "1", "x-twice", "2")
	if _, err := invoke(ctx, conn, large); err != nil {
		t.Errorf("with metadata: %v", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.opened != 1 {
		t.Errorf("%d calls were opened, want 1", e.opened)
	}
}

// TestDeadlineAndCancellation: both end what the call does.
func TestDeadlineAndCancellation(t *testing.T) {
	ended := make(chan error, 1)
	begun := make(chan struct{}, 1)
	conn := dial(t, serve(t, DefaultConfig(), &echo{answer: func(ctx context.Context, _ []byte) ([]byte, *Status) {
		begun <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, &Status{Code: status.FromContextError(ctx.Err()).Code()}
	}}))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := invoke(ctx, conn, []byte("x")); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("after the deadline: %v", err)
	}
	if err := <-ended; err == nil { // The client's cancellation may come first.
		t.Error("the context has no error")
	}
	<-begun
	ctx, cancel = context.WithCancel(t.Context())
	go func() {
		<-begun
		cancel()
	}()
	if _, err := invoke(ctx, conn, []byte("x")); status.Code(err) != codes.Canceled {
		t.Errorf("after canceling: %v", err)
	}
	if err := <-ended; err == nil {
		t.Error("the context has no error")
	}
}

func TestPanicsAreAnswered(t *testing.T) {
	first := true
	conn := dial(t, serve(t, DefaultConfig(), &echo{answer: func(_ context.Context, m []byte) ([]byte, *Status) {
		if first {
			first = false
			panic("at the first call")
		}
		return m, nil
	}}))
	if _, err := invoke(t.Context(), conn, []byte("x")); status.Code(err) != codes.Internal {
		t.Errorf("answer %v, want Internal", err)
	}
	if _, err := invoke(t.Context(), conn, []byte("x")); err != nil {
		t.Errorf("after the panic: %v", err)
	}
}

// TestShutdownLosesNoAnswer has clients call while the server goes: what it has
// answered arrives, and what it has not is refused for now.
func TestShutdownLosesNoAnswer(t *testing.T) {
	e := &echo{}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := serveAt(t, l, DefaultConfig(), e)
	var arrived atomic.Int64
	var calling sync.WaitGroup
	for n := range 3 {
		conn := dial(t, l.Addr())
		for range 8 {
			calling.Go(func() {
				content := make([]byte, 1+n*50_000)
				for {
					switch _, err := invoke(t.Context(), conn, content); status.Code(err) {
					case codes.OK:
						arrived.Add(1)
					case codes.Unavailable:
						return
					default:
						t.Errorf("a call ended with %v", err)
						return
					}
				}
			})
		}
	}
	waitUntil(t, "calls are answered", func() bool { return arrived.Load() > 200 })
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
	calling.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	if int64(e.answered) != arrived.Load() {
		t.Errorf("%d calls were answered, %d answers arrived", e.answered, arrived.Load())
	}
}
