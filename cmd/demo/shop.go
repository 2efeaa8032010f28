package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/middleware"
)

// startServices starts the shop, each service with telemetry, listener and
// database of its own.
func (w *whole) startServices(ctx context.Context, endpoint string, at addresses) error {
	for _, s := range services() {
		tel, err := w.telemetry(ctx, s.name, endpoint)
		if err != nil {
			return err
		}
		base := platform.Config{Listen: "127.0.0.1:0", Admin: platform.Off, DataDir: filepath.Join(w.data, "shop"), Faults: w.faults}
		if s.name == "gateway" {
			base.Listen = w.gateway
		}
		host, err := s.start(ctx, base, at, tel)
		unsent := func(err error) {
			w.logger.Warn("telemetry that was left could not be sent", "service", s.name, "error", err)
		}
		w.started(s.name, func(ctx context.Context) error { return shutDown(ctx, host, tel, unsent) })
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		s.found(&at, host.Addr().String())
		if s.name == "order" {
			w.place("order", host.Addr().String())
		}
		if s.name == "gateway" {
			w.gateURL = urlOf(host.Addr())
			w.address("gateway", host.Addr(), "")
		}
	}
	return nil
}

// telemetry is a service's, as if the service were alone; what it records is
// sent soon, so that one who places an order sees it at once.
func (w *whole) telemetry(ctx context.Context, service, endpoint string) (*middleware.Telemetry, error) {
	return middleware.Setup(ctx,
		middleware.WithServiceName(service),
		middleware.WithServiceVersion(version()),
		middleware.WithServiceInstanceID(service+"-1"),
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
