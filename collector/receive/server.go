package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/waybill-dev/waybill/collector/silent"
)

const (
	// maxConnections bounds the connections of one listener; further ones wait
	// in the kernel's queue.
	maxConnections = 4096
	// maxStreams bounds the requests at once on one HTTP/2 connection.
	maxStreams = 256
	// streamWindow and connectionWindow bound what HTTP/2 takes in of requests
	// that nobody has admitted yet, in bytes.
	streamWindow     = 1 << 20
	connectionWindow = 1 << 20
	// bodyTimeout is how long a client may take to send one request.
	bodyTimeout = time.Minute
	// answerTimeout bounds a request from its headers to the end of its answer.
	answerTimeout = 2 * time.Minute
)

// server is one listener and who serves it.
type server struct {
	listener net.Listener
	http     *http.Server
	silent   *silent.Connections
	running  sync.WaitGroup
}

// serve serves a listener until shutdown.
func serve(l net.Listener, hs *http.Server, logger *slog.Logger) *server {
	s := &server{listener: l, http: hs, silent: silent.Of(hs)}
	s.running.Go(func() {
		if err := hs.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("a receiver stopped listening", "address", l.Addr().String(), "error", err)
		}
	})
	return s
}

func (s *server) addr() net.Addr { return s.listener.Addr() }

func (s *server) shutdown(ctx context.Context) error {
	s.silent.Close()
	err := s.http.Shutdown(ctx)
	if err != nil {
		_ = s.http.Close()
		err = fmt.Errorf("shut down the listener at %v: %w", s.addr(), err)
	}
	s.running.Wait()
	return err
}

// newHTTPServer speaks HTTP/1.1, and HTTP/2 to those who begin with it.
func newHTTPServer(handler http.Handler, logger *slog.Logger) *http.Server {
	s := newServer(handler, logger)
	s.Protocols.SetHTTP1(true)
	return s
}

// newServer bounds how long a client may take at each step, so that slow and
// dead ones hold nothing for ever.
func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	s := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// What clients do wrong on a connection: too much of it to be told.
		ErrorLog:  slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		Protocols: new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          maxStreams,
			MaxReceiveBufferPerStream:     streamWindow,
			MaxReceiveBufferPerConnection: connectionWindow,
			SendPingTimeout:               time.Minute,
			PingTimeout:                   20 * time.Second,
			WriteByteTimeout:              time.Minute,
		},
	}
	s.Protocols.SetUnencryptedHTTP2(true)
	return s
}
