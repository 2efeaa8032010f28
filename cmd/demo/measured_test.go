package main

import (
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	collogspb "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/demo-services/fault"
)

// eachMetric hands out what a backend has of the metrics that a service's
// instances have sent, in order. A name may be the end of one.
func eachMetric(t *testing.T, backend *exporttest.Backend, each func(service, instance string, m *metricspb.Metric)) {
	t.Helper()
	for _, r := range backend.Taken("/v1/metrics") {
		var request colmetricspb.ExportMetricsServiceRequest
		if err := proto.Unmarshal(r.Body, &request); err != nil {
			t.Fatal(err)
		}
		for _, resource := range request.GetResourceMetrics() {
			of := map[string]string{}
			for _, a := range resource.GetResource().GetAttributes() {
				of[a.GetKey()] = a.GetValue().GetStringValue()
			}
			for _, scope := range resource.GetScopeMetrics() {
				for _, m := range scope.GetMetrics() {
					each(of["service.name"], of["service.instance.id"], m)
				}
			}
		}
	}
}

// gauges are what a service's instances have sent last of a gauge, whose name may
// be the end of one.
func gauges(t *testing.T, backend *exporttest.Backend, service, name string) map[string]float64 {
	t.Helper()
	last := map[string]float64{}
	eachMetric(t, backend, func(of, instance string, m *metricspb.Metric) {
		for _, point := range m.GetGauge().GetDataPoints() {
			if of == service && strings.HasSuffix(m.GetName(), name) {
				last[instance] = point.GetAsDouble()
			}
		}
	})
	return last
}

// TestEverythingIsTelemetry has orders of several kinds come, and waits until a
// backend of the collector's has what the services count of them, traces as
// exemplars, and their logs with the ids of their traces.
func TestEverythingIsTelemetry(t *testing.T) {
	t.Parallel()
	backend := exporttest.New(t)
	config := freePorts + fmt.Sprintf("export: {metrics: {endpoint: %[1]q}, logs: {endpoint: %[1]q}}\n", backend.URL())
	d := startDemo(t, "--rate", "0", "--config", writeFile(t, config))
	_, declined := d.place(t, orderOf("usr_ada", "tok_declined", "itm_tea"))
	for _, key := range []string{fault.RetryStorm, fault.PoisonMessage} {
		d.switchFault(t, "on", key)
		for range 2 {
			d.place(t, exampleOrder)
		}
		d.switchFault(t, "off", key)
	}
	got, confirmed := d.place(t, exampleOrder)
	if got.status != http.StatusCreated {
		t.Fatalf("%d %s", got.status, got.body)
	}
	missing := map[string]bool{}
	defer func() {
		if len(missing) > 0 {
			t.Errorf("there is no %v", slices.Sorted(maps.Keys(missing)))
		}
	}()
	eventually(t, "metrics of everything", func() bool {
		missing = measured()
		eachMetric(t, backend, func(service, _ string, m *metricspb.Metric) {
			what := m.GetName()
			delete(missing, service+" "+what)
			for _, point := range m.GetHistogram().GetDataPoints() {
				if len(point.GetExemplars()) > 0 {
					delete(missing, service+" "+what+" with a trace")
				}
			}
		})
		return len(missing) == 0
	})
	for _, trace := range []string{declined, confirmed} {
		eventually(t, "logs of order, payment and inventory in the trace "+trace, func() bool {
			logs := logsOf(t, backend, trace)
			return logs["order"] > 0 && logs["payment"] > 0 && logs["inventory"] > 0
		})
	}
}

// measured is what services count of their trade.
func measured() map[string]bool {
	all := map[string]bool{}
	for service, names := range map[string][]string{
		"order": {
			"shop_sagas_total", "shop_saga_duration_seconds", "shop_saga_duration_seconds with a trace", "shop_order_amount_total",
			"shop_sagas_open", "shop_sagas_parked", "shop_outbox_lag_seconds", "shop_outbox_events", "shop_projector_lag_events",
			"shop_instance_calls_total", "shop_registry_instances",
		},
		"payment":      {"shop_outbox_lag_seconds", "shop_payment_unknown", "waybill_client_breaker_state"},
		"inventory":    {"shop_outbox_lag_seconds", "shop_reservations_open"},
		"notification": {"shop_dead_letters_total"},
	} {
		for _, name := range names {
			all[service+" "+name] = true
		}
	}
	return all
}

// logsOf counts the log records of a trace by service.
func logsOf(t *testing.T, backend *exporttest.Backend, trace string) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, r := range backend.Taken("/v1/logs") {
		var request collogspb.ExportLogsServiceRequest
		if err := proto.Unmarshal(r.Body, &request); err != nil {
			t.Fatal(err)
		}
		for _, resource := range request.GetResourceLogs() {
			service := ""
			for _, a := range resource.GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					service = a.GetValue().GetStringValue()
				}
			}
			for _, scope := range resource.GetScopeLogs() {
				for _, record := range scope.GetLogRecords() {
					if hex.EncodeToString(record.GetTraceId()) == trace {
						counts[service]++
					}
				}
			}
		}
	}
	return counts
}
