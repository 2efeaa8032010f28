// Package sink is a receiver of OTLP that counts what it is sent, keeps traces
// in memory, and answers Jaeger's query for a trace by its id. It can lose a
// share of the spans, to see whether anybody notices.
package sink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
)

// Config says where to listen, and what to do with what comes.
type Config struct {
	// GRPC and HTTP are addresses to listen at; "off" is nowhere.
	GRPC, HTTP string
	// Drop is the share of the spans that is lost although it is acknowledged:
	// 0 to 1. Which ones is a function of their ids.
	Drop float64
	// Forget counts only, and keeps nothing.
	Forget bool
}

// DefaultConfig listens where a collector would, and keeps everything.
func DefaultConfig() Config { return Config{GRPC: "127.0.0.1:4317", HTTP: "127.0.0.1:4318"} }

// Validate reports all that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if !(c.Drop >= 0 && c.Drop <= 1) {
		errs = append(errs, fmt.Errorf("drop %v: want a share from 0 to 1", c.Drop))
	}
	if c.GRPC == off && c.HTTP == off {
		errs = append(errs, errors.New("it listens nowhere"))
	}
	return errors.Join(errs...)
}

const off = "off"

// Sink receives until it is shut down. Its methods are safe for concurrent
// use.
type Sink struct {
	store      *store
	grpc       *grpc.Server
	http       *http.Server
	grpcListen net.Listener
	httpListen net.Listener
	serving    sync.WaitGroup
}

// Start listens.
func Start(ctx context.Context, cfg Config) (*Sink, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Sink{store: newStore(cfg)}
	var err error
	if s.grpcListen, err = listen(ctx, cfg.GRPC); err != nil {
		return nil, err
	}
	if s.httpListen, err = listen(ctx, cfg.HTTP); err != nil {
		if s.grpcListen != nil {
			_ = s.grpcListen.Close() // the error that counts is the first
		}
		return nil, err
	}
	if s.grpcListen != nil {
		s.grpc = newGRPC(s.store)
		s.serving.Go(func() { _ = s.grpc.Serve(s.grpcListen) }) // it ends with Stop
	}
	if s.httpListen != nil {
		s.http = &http.Server{Handler: newHandler(s.store), ReadHeaderTimeout: 10 * time.Second}
		s.serving.Go(func() { _ = s.http.Serve(s.httpListen) }) // it ends with Close
	}
	return s, nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	if address == off {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", address, err)
	}
	return listener, nil
}

// GRPC is where the sink takes OTLP over gRPC; nil where it does not. It tells
// the port that ":0" became.
func (s *Sink) GRPC() net.Addr { return address(s.grpcListen) }

// HTTP is where the sink takes OTLP over HTTP, and answers.
func (s *Sink) HTTP() net.Addr { return address(s.httpListen) }

func address(l net.Listener) net.Addr {
	if l == nil {
		return nil
	}
	return l.Addr()
}

// Counts is what has come by now.
func (s *Sink) Counts() Counts { return s.store.counted() }

// Shutdown lets requests under way end, until ctx ends, and stops.
func (s *Sink) Shutdown(ctx context.Context) error {
	var err error
	if s.http != nil {
		if err = s.http.Shutdown(ctx); err != nil {
			_ = s.http.Close() // the error that counts is Shutdown's
		}
	}
	if s.grpc != nil {
		stopped := make(chan struct{})
		go func() { defer close(stopped); s.grpc.GracefulStop() }()
		select {
		case <-stopped:
		case <-ctx.Done():
			s.grpc.Stop()
			<-stopped
		}
	}
	s.serving.Wait()
	return err
}
