package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// instance is one process of a service, as it were: it has listeners and
// telemetry of its own, and can be killed and started again.
type instance struct {
	name  string
	start func(ctx context.Context) (*platform.Host, func(context.Context, *platform.Host) error, error)

	mu   sync.Mutex
	host *platform.Host
	end  func(context.Context, *platform.Host) error
}

// run starts the instance, unless it runs.
func (i *instance) run(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.host != nil {
		return nil
	}
	host, end, err := i.start(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", i.name, err), end(context.WithoutCancel(ctx), nil))
	}
	i.host, i.end = host, end
	return nil
}

// kill ends the instance at once, without a word to anybody. What it has
// recorded is sent: the demo's own telemetry is not what is to be shown.
func (i *instance) kill(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.host == nil {
		return nil
	}
	killed := i.host.Kill()
	err := i.end(ctx, nil)
	i.host = nil
	return errors.Join(killed, err)
}

// stop ends the instance well, if it runs.
func (i *instance) stop(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.host == nil {
		return nil
	}
	host := i.host
	i.host = nil
	return i.end(ctx, host)
}

// addr is where the instance listens.
func (i *instance) addr() net.Addr {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.host.Addr()
}
