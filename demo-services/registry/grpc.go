package registry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/resolver"
)

// Scheme is that of gRPC's targets: registry:///inventory.
const Scheme = "registry"

// Resolver finds the instances of gRPC's targets in the directory. Give it to
// grpc.WithResolvers. gRPC's balancers do not regard weights.
func (d *Directory) Resolver() resolver.Builder { return builder{d} }

type builder struct{ directory *Directory }

// Scheme implements resolver.Builder.
func (builder) Scheme() string { return Scheme }

// Build implements resolver.Builder.
func (b builder) Build(target resolver.Target, conn resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	service := target.Endpoint()
	if !names.MatchString(service) {
		return nil, fmt.Errorf("the service %q: %w", service, ErrName)
	}
	ctx, stop := context.WithCancel(context.Background())
	f := &follower{directory: b.directory, service: service, conn: conn, stop: stop}
	f.running.Go(func() { f.run(ctx) })
	return f, nil
}

// follower tells one connection where its service is.
type follower struct {
	directory *Directory
	service   string
	conn      resolver.ClientConn
	stop      context.CancelFunc
	running   sync.WaitGroup
}

func (f *follower) run(ctx context.Context) {
	told := false
	// Calls wait for the first answer, whatever it is.
	first := time.NewTimer(time.Second)
	defer first.Stop()
	for {
		instances, changed := f.directory.Instances(f.service)
		switch {
		case len(instances) > 0:
			var state resolver.State
			for _, instance := range instances {
				state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: instance.Address}}})
			}
			// gRPC says here that no address will do; it asks again by itself,
			// and the next change comes by itself.
			_ = f.conn.UpdateState(state)
			told = true
		case told:
			// Those that it knows are gone, but may be still there for all that
			// the registry knows: gRPC goes on with them, and calls fail if not.
			f.none()
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-first.C:
			if !told {
				f.none()
			}
		}
	}
}

func (f *follower) none() {
	f.conn.ReportError(fmt.Errorf("%s has no instance in the registry", f.service))
}

// ResolveNow implements resolver.Resolver. Changes are known at once anyway.
func (f *follower) ResolveNow(resolver.ResolveNowOptions) {}

// Close implements resolver.Resolver.
func (f *follower) Close() {
	f.stop()
	f.running.Wait()
}
