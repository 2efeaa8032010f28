// Package registry says where the instances of the shop's services are. Each
// instance keeps an entry of its own in a key-value bucket of NATS JetStream
// alive; a directory watches the bucket and answers out of memory, for
// middleware/client as its Discovery and for gRPC as the resolver of targets
// such as registry:///inventory.
//
// An instance that stops takes its entry away. One that dies, hangs or says
// that it is not well stops to renew it, and is out after Config.Expiry.
package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Bucket is the name of the key-value bucket.
const Bucket = "REGISTRY"

// ErrName is what a service or an instance is refused for whose name can't be
// a part of a key.
var ErrName = errors.New("must be made of letters, digits, - and _")

// names are what both parts of a key look like: service.instance.
var names = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// Instance is one process that is a service.
type Instance struct {
	Service string `json:"service"`
	// ID is the instance's own, and the same as its service.instance.id.
	ID string `json:"id"`
	// Address is host:port.
	Address string `json:"address"`
	// Version is that of the program.
	Version string `json:"version,omitempty"`
	// Weight is the share of the calls that it gets, where that is regarded.
	// 0 is as 1.
	Weight int `json:"weight,omitempty"`
}

// Config says how soon an instance that is gone is out.
type Config struct {
	// Heartbeat is how often an instance looks whether it is well, and renews
	// its entry if it is.
	Heartbeat time.Duration
	// Expiry is how old an entry may be.
	Expiry time.Duration
}

// DefaultConfig looks every 10 s; who has missed three times is out.
func DefaultConfig() Config {
	return Config{Heartbeat: 10 * time.Second, Expiry: 30 * time.Second}
}

// Registry is the bucket. Safe for concurrent use.
type Registry struct {
	js     jetstream.JetStream
	config Config
	logger *slog.Logger
}

// New returns a registry in the JetStream. It does not wait for the server.
func New(js jetstream.JetStream, config Config, logger *slog.Logger) *Registry {
	return &Registry{js: js, config: config, logger: logger}
}

// bucket makes the bucket if it is missing.
func (r *Registry) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	bucket, err := r.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket:      Bucket,
		Description: "Instances of the shop's services",
		TTL:         r.config.Expiry,
		MaxBytes:    4 << 20,
		// What is in it is renewed all the time: there is nothing to keep.
		Storage: jetstream.MemoryStorage,
	})
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", Bucket, err)
	}
	return bucket, nil
}

// key is the entry of the instance.
func (i Instance) key() (string, error) {
	for _, name := range []string{i.Service, i.ID} {
		if !names.MatchString(name) {
			return "", fmt.Errorf("register %q of %q: %w", i.ID, i.Service, ErrName)
		}
	}
	return i.Service + "." + i.ID, nil
}
