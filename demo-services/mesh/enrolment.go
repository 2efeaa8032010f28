package mesh

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// enrolment is how the Workload API is reached. The library's client is made for
// a socket of the same machine and speaks without TLS; the control plane is
// elsewhere, so TLS is in the connection that the client is given.
func enrolment(config Config, said *spoken) ([]workloadapi.ClientOption, error) {
	pem, err := os.ReadFile(config.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read certificates of the mesh: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read certificates of the mesh: none in %s", config.CAFile)
	}
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13}}
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", config.Address)
	}
	return []workloadapi.ClientOption{
		workloadapi.WithAddr("tcp://127.0.0.1:1"), // it takes an IP only, and the dialer dials the control plane whatever it is
		workloadapi.WithDialOptions(grpc.WithContextDialer(dial), grpc.WithPerRPCCredentials(token(config.Token))),
		workloadapi.WithLogger(said),
		workloadapi.WithBackoffStrategy(steady(time.Second)),
	}, nil
}

// token goes with each request for a certificate.
type token string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (t token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(t)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials. There is
// security, below what gRPC sees.
func (token) RequireTransportSecurity() bool { return false }

var _ credentials.PerRPCCredentials = token("")

// steady is how long it is until the control plane is asked again: it comes back
// soon, or certificates end.
type steady time.Duration

// NewBackoff implements workloadapi.BackoffStrategy.
func (s steady) NewBackoff() workloadapi.Backoff { return s }

// Next implements workloadapi.Backoff.
func (s steady) Next() time.Duration { return time.Duration(s) }

// Reset implements workloadapi.Backoff.
func (steady) Reset() {}

// spoken is a logger in the library's terms. What it calls an error is tried
// again each second; it is told once until something else is to be told. Safe
// for concurrent use.
type spoken struct {
	logger *slog.Logger
	mu     sync.Mutex
	last   string
}

// Debugf implements logger.Logger of go-spiffe.
func (s *spoken) Debugf(format string, args ...any) { s.logger.Debug(fmt.Sprintf(format, args...)) }

// Infof implements logger.Logger of go-spiffe.
func (s *spoken) Infof(format string, args ...any) { s.logger.Info(fmt.Sprintf(format, args...)) }

// Warnf implements logger.Logger of go-spiffe.
func (s *spoken) Warnf(format string, args ...any) { s.warn(fmt.Sprintf(format, args...)) }

// Errorf implements logger.Logger of go-spiffe.
func (s *spoken) Errorf(format string, args ...any) { s.warn(fmt.Sprintf(format, args...)) }

func (s *spoken) warn(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text == s.last {
		s.logger.Debug(text)
		return
	}
	s.last = text
	s.logger.Warn(text)
}

// lastly is what there was to warn of, to put behind an error.
func (s *spoken) lastly() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == "" {
		return ""
	}
	return " (" + s.last + ")"
}
