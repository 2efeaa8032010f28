package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/middleware"
)

// startServices starts the shop, each service with telemetry, listener and
// database of its own. Instances of one service share its database.
func (w *whole) startServices(ctx context.Context, endpoint string, at addresses) error {
	for _, s := range services() {
		for n := range max(s.instances, 1) {
			i := w.instance(s, n+1, endpoint, at)
			w.started(i.name, i.stop)
			if err := i.run(ctx); err != nil {
				return err
			}
			if n == 0 {
				w.found(s, i.addr(), &at)
			}
			if i.name == fault.KilledInstance {
				w.watchKills(ctx, i)
			}
		}
	}
	return nil
}

// found tells the other services, and who has started the demo, where a service is.
func (w *whole) found(s service, listening net.Addr, at *addresses) {
	where := listening.String()
	if s.instances > 0 {
		where = w.mesh.target(s.name)
	}
	s.found(at, where)
	switch s.name {
	case "order", "notification":
		w.place(s.name, listening.String())
	case "gateway":
		w.gateURL = urlOf(listening)
		w.address("gateway", listening, "")
	}
}

// instance is the n-th of a service, which is not started yet.
func (w *whole) instance(s service, n int, endpoint string, at addresses) *instance {
	name := fmt.Sprintf("%s-%d", s.name, n)
	start := func(ctx context.Context) (*platform.Host, func(context.Context, *platform.Host) error, error) {
		tel, err := w.telemetry(ctx, s.name, name, w.mesh.version(s.name, n), endpoint)
		if err != nil {
			return nil, func(context.Context, *platform.Host) error { return nil }, err
		}
		base := platform.Config{Listen: "127.0.0.1:0", Admin: platform.Off, DataDir: filepath.Join(w.data, "shop"), Faults: w.faults}
		if s.name == "gateway" {
			base.Listen = w.gateway
		}
		if s.instances > 0 {
			base.Discovery = platform.Discovery{URL: at.nats, Service: s.name, Instance: name, Version: w.mesh.version(s.name, n)}
			if base.Discovery.Mesh, err = w.mesh.join(ctx, s.name, name, tel.Logger()); err != nil {
				return nil, w.ending(name, tel, nil), err
			}
		}
		host, err := s.start(ctx, base, at, tel)
		return host, w.ending(name, tel, base.Discovery.Mesh), err
	}
	return &instance{name: name, start: start}
}

// ending is how an instance is ended.
func (w *whole) ending(name string, tel *middleware.Telemetry, member *mesh.Member) func(context.Context, *platform.Host) error {
	return func(ctx context.Context, host *platform.Host) error {
		err := shutDown(ctx, host, tel, func(err error) {
			w.logger.Warn("telemetry that was left could not be sent", "instance", name, "error", err)
		})
		return errors.Join(err, leave(member))
	}
}

// watchKills kills the instance while that fault is on, and starts it again.
func (w *whole) watchKills(ctx context.Context, i *instance) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			change := i.run
			if w.faults.On(ctx, fault.InstanceKilled) {
				change = i.kill
			}
			if err := change(ctx); err != nil && ctx.Err() == nil {
				w.logger.Warn("an instance is not as the fault has it", "instance", i.name, "error", err)
			}
		}
	}()
	w.started("watch of "+i.name, func(context.Context) error { stop(); <-done; return nil })
}

// telemetry is a service's, as if the service were alone; what it records is
// sent soon, so that one who places an order sees it at once.
func (w *whole) telemetry(ctx context.Context, service, instance, version, endpoint string) (*middleware.Telemetry, error) {
	return middleware.Setup(ctx,
		middleware.WithServiceName(service),
		middleware.WithServiceVersion(version),
		middleware.WithServiceInstanceID(instance),
		middleware.WithResourceAttributes(attribute.String("deployment.environment.name", "demo")),
		middleware.WithEndpoint(endpoint),
		middleware.WithMetricInterval(5*time.Second),
		middleware.WithLogWriter(w.logs),
		middleware.WithGetenv(w.telemetryEnv),
		middleware.WithoutGlobals(),
	)
}

// telemetryEnv is the environment without what it says of where other programs
// send their telemetry: the demo's goes to the demo.
func (w *whole) telemetryEnv(name string) (string, bool) {
	if strings.HasPrefix(name, "OTEL_EXPORTER_") || strings.HasPrefix(name, "OTEL_RESOURCE_") || strings.HasSuffix(name, "S_EXPORTER") {
		return "", false
	}
	value, set := w.getenv(name)
	if value == "" && (name == "OTEL_BSP_SCHEDULE_DELAY" || name == "OTEL_BLRP_SCHEDULE_DELAY") {
		return "500", true // milliseconds
	}
	return value, set
}
