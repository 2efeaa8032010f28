package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

const exportMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

const (
	// connections is how many the load opens, and clients how many requests it
	// has under way at once, each from a goroutine of its own.
	connections = 4
	clients     = 16
	// refusedPause is what a client waits that was refused without being told
	// for how long, and the most that it waits.
	refusedPause = 100 * time.Millisecond
)

// load sends requests over gRPC to one address. Each request has a number and
// is sent once: one that is refused or cut off is not repeated, so that what
// arrives twice is not the load's doing.
type load struct {
	to     string
	rate   float64 // spans a second; 0 is as fast as they are acknowledged
	ledger *ledger

	work  *work
	conns []*grpc.ClientConn

	claimed, acknowledged, refused, broken atomic.Int64 // requests
	lastAck                                atomic.Int64 // nanoseconds since 1970

	mu        sync.Mutex
	latencies []time.Duration
}

// newLoad connects when the first request is sent, and again after each break.
func newLoad(to string, rate float64, l *ledger, w *work) (*load, error) {
	out := &load{to: to, rate: rate, ledger: l, work: w}
	soon := backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, MaxDelay: 50 * time.Millisecond}
	for range connections {
		conn, err := grpc.NewClient(to,
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithConnectParams(grpc.ConnectParams{Backoff: soon, MinConnectTimeout: time.Second}),
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{}), grpc.WaitForReady(true)))
		if err != nil {
			out.close()
			return nil, err
		}
		out.conns = append(out.conns, conn)
	}
	return out, nil
}

func (l *load) close() {
	for _, conn := range l.conns {
		_ = conn.Close()
	}
}

// run sends until ctx ends, and then waits for the answers. It may be called
// again.
func (l *load) run(ctx context.Context) {
	began, first := time.Now(), l.claimed.Load()
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() { l.client(ctx, l.conns[i%len(l.conns)], began, first) })
	}
	running.Wait()
}

// client sends one request after the other, each when it is due.
func (l *load) client(ctx context.Context, conn *grpc.ClientConn, began time.Time, first int64) {
	templates := make([]*template, len(l.work.templates))
	for i, t := range l.work.templates {
		templates[i] = t.clone()
	}
	for {
		due := time.Now()
		if l.rate > 0 {
			turn := l.claimed.Add(1) - 1 - first
			due = began.Add(time.Duration(float64(turn) * spansPerRequest / l.rate * float64(time.Second)))
			if !sleep(ctx, time.Until(due)) {
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		n := l.ledger.claim()
		t := templates[n%uint64(len(templates))]
		t.number(n)
		pause, err := l.send(ctx, conn, t.bytes)
		switch {
		case err == nil:
			l.ledger.acknowledge(n)
			l.settled(time.Since(due))
		case pause > 0:
			l.refused.Add(1)
			sleep(ctx, min(pause, refusedPause))
		default:
			l.broken.Add(1)
			templates[n%uint64(len(templates))] = t.clone() // The transport may still read the old one.
		}
	}
}

// send sends one request. A pause with the error says that it was refused, and
// for how long; without one, nobody knows what became of it.
func (l *load) send(ctx context.Context, conn *grpc.ClientConn, request []byte) (pause time.Duration, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	var response message
	err = conn.Invoke(ctx, exportMethod, &message{mem.BufferSlice{mem.SliceBuffer(request)}}, &response)
	if err == nil {
		response.data.Free()
		return 0, nil
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return max(info.GetRetryDelay().AsDuration(), time.Millisecond), err
		}
	}
	return 0, err
}

func (l *load) settled(took time.Duration) {
	l.acknowledged.Add(1)
	l.lastAck.Store(time.Now().UnixNano())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latencies = append(l.latencies, took)
}

// p99 is what one in a hundred requests waited longer than, counted from when
// it was due.
func (l *load) p99() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.latencies) == 0 {
		return 0
	}
	slices.Sort(l.latencies)
	return l.latencies[len(l.latencies)*99/100]
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
