package client

import (
	"context"
	"errors"
	"fmt"
)

// ErrNoInstance is what a call of a service that has no instances gives, or of
// one whose instances can't be found.
var ErrNoInstance = errors.New("service has no instance")

// Discovery finds the instances of a service. It is asked once for each call,
// so it must be fast, or Cached. It is safe for concurrent use.
type Discovery interface {
	// Resolve gives the instances of a service; service is the host of a URL,
	// with its port if it has one. The caller does not change the result.
	Resolve(ctx context.Context, service string) ([]Instance, error)
}

// Instance is one of the processes that are a service.
type Instance struct {
	// Address is host:port, or a host that listens where the URL says.
	Address string
	// Weight is the share of the calls that it gets, for the balancers that
	// regard it. 0 is as 1.
	Weight int
}

// Direct takes the service itself for its only instance.
type Direct struct{}

// Resolve implements Discovery.
func (Direct) Resolve(_ context.Context, service string) ([]Instance, error) {
	return []Instance{{Address: service}}, nil
}

// Static is a fixed list of instances for each service. It must not be changed
// while it is used.
type Static map[string][]Instance

// Resolve implements Discovery.
func (s Static) Resolve(_ context.Context, service string) ([]Instance, error) {
	instances, known := s[service]
	if !known {
		return nil, fmt.Errorf("service %q is not in the list", service)
	}
	return instances, nil
}
