package platform

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Broker is a NATS server with JetStream inside this process, for a demo that
// needs nothing installed. Other services reach it over TCP as any other.
type Broker struct{ server *server.Server }

// StartBroker starts a broker that keeps its streams below dir and listens on
// a free port of 127.0.0.1.
func StartBroker(dir string) (*Broker, error) {
	s, err := server.NewServer(&server.Options{
		ServerName:         "waybill-demo",
		Host:               "127.0.0.1",
		Port:               server.RANDOM_PORT,
		JetStream:          true,
		StoreDir:           dir,
		JetStreamMaxMemory: 16 << 20,
		JetStreamMaxStore:  256 << 20,
		NoSigs:             true,
		NoLog:              true,
	})
	if err != nil {
		return nil, fmt.Errorf("configure NATS: %w", err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, errors.New("NATS is not ready after 10 s")
	}
	return &Broker{server: s}, nil
}

// URL is where clients connect.
func (b *Broker) URL() string { return b.server.ClientURL() }

// Close stops the broker and waits until its streams are on disk.
func (b *Broker) Close() {
	b.server.Shutdown()
	b.server.WaitForShutdown()
}
