package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// traceSink is a collector that notes whose spans come, and what events they have.
type traceSink struct {
	*httptest.Server
	mu       sync.Mutex
	services map[string]bool
	events   map[[2]string]bool // by service and name
}

func newTraceSink(t *testing.T) *traceSink {
	t.Helper()
	sink := &traceSink{services: map[string]bool{}, events: map[[2]string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", sink.take)
	mux.HandleFunc("POST /v1/", func(http.ResponseWriter, *http.Request) {})
	sink.Server = httptest.NewServer(mux)
	t.Cleanup(sink.Close)
	return sink
}

func (s *traceSink) take(w http.ResponseWriter, r *http.Request) {
	var request collectortrace.ExportTraceServiceRequest
	raw, err := io.ReadAll(r.Body)
	if err != nil || proto.Unmarshal(raw, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, spans := range request.GetResourceSpans() {
		for _, attribute := range spans.GetResource().GetAttributes() {
			if attribute.GetKey() == "service.name" {
				s.note(attribute.GetValue().GetStringValue(), spans)
			}
		}
	}
}

// note takes down the spans of a service. The caller holds the lock.
func (s *traceSink) note(service string, spans *tracev1.ResourceSpans) {
	s.services[service] = true
	for _, scope := range spans.GetScopeSpans() {
		for _, span := range scope.GetSpans() {
			for _, event := range span.GetEvents() {
				s.events[[2]string{service, event.GetName()}] = true
			}
		}
	}
}

// event says whether a span of the service has the event.
func (s *traceSink) event(service, name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.events[[2]string{service, name}]
}

func (s *traceSink) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.services {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// serving waits until a service that runs alone says where it is.
func (p *program) serving(t *testing.T) (address, admin string) {
	t.Helper()
	eventually(t, "service", func() bool {
		for line := range strings.Lines(p.errs.String()) {
			var record struct{ Msg, Address, Admin string }
			if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "serving" {
				address, admin = record.Address, record.Admin
				return true
			}
		}
		return false
	})
	return address, admin
}

// TestServicesAlone starts the services as Compose does, those that call
// others before those, and has the shopper come.
func TestServicesAlone(t *testing.T) {
	before := goroutines()
	sink := newTraceSink(t)
	broker, err := platform.StartBroker(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	stopBroker := sync.OnceFunc(broker.Close)
	t.Cleanup(stopBroker)
	env := environment{
		"OTEL_EXPORTER_OTLP_ENDPOINT": sink.URL, "OTEL_BSP_SCHEDULE_DELAY": "100", "NATS_URL": broker.URL(), "LISTEN": "127.0.0.1:0",
	}
	var programs []*program
	start := func(name string, args ...string) (address, admin string) {
		p := runProgram(t, env, append([]string{name, "--data", t.TempDir()}, args...)...)
		programs = append(programs, p)
		return p.serving(t)
	}
	anyAdmin := []string{"--admin", "127.0.0.1:0"}
	var health []string
	for _, s := range []struct{ name, variable, scheme string }{
		{"psp", "PSP_URL", "http://"},
		{"payment", "PAYMENT_ADDR", ""},
		{"inventory", "INVENTORY_ADDR", ""},
		{"user", "USER_ADDR", ""},
		{"order", "ORDER_ADDR", ""},
		{"notification", "", ""},
		{"gateway", "GATEWAY_URL", "http://"},
	} {
		var admin string
		if s.scheme == "" {
			env[s.variable], admin = start(s.name, anyAdmin...)
		} else {
			address, _ := start(s.name) // Its health is beside what it serves.
			env[s.variable], admin = s.scheme+address, address
		}
		health = append(health, "http://"+admin+"/healthz")
	}
	for _, url := range health {
		if p := runProgram(t, nil, "health", url); p.wait(t) != 0 {
			t.Errorf("%s: %s", url, p.errs)
		}
	}
	env["RATE"] = "4"
	shopper := runProgram(t, env, "shopper")
	want := []string{"gateway", "inventory", "notification", "order", "payment", "psp", "user"}
	eventually(t, "spans of all services", func() bool { return slices.Equal(sink.names(), want) })
	if diff := cmp.Diff(want, sink.names()); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	if status, _ := shopper.stop(t); status != 0 || !strings.Contains(shopper.errs.String(), `"msg":"stopped"`) {
		t.Errorf("shopper: %d %s", status, shopper.errs)
	}
	for _, p := range slices.Backward(programs) {
		if status, took := p.stop(t); status != 0 || took > patience {
			t.Errorf("status %d after %v: %s", status, took, p.errs)
		}
	}
	stopBroker()
	sink.Close()
	wantNoMoreGoroutines(t, before)
}

func TestServiceIsNamedByTheEnvironmentFirst(t *testing.T) {
	for _, c := range []struct {
		env  environment
		want string
	}{
		{environment{}, "order"},
		{environment{"OTEL_SERVICE_NAME": "bestellung"}, "bestellung"},
		{environment{"OTEL_RESOURCE_ATTRIBUTES": "service.name=bestellung,a=b"}, ""},
		{environment{"OTEL_RESOURCE_ATTRIBUTES": "a=b"}, "order"},
	} {
		if got, _ := (command{getenv: c.env.lookup}).named("order")("OTEL_SERVICE_NAME"); got != c.want {
			t.Errorf("%v: OTEL_SERVICE_NAME is %q, want %q", c.env, got, c.want)
		}
	}
}

// TestTelemetryStaysInTheDemo has variables that belong to other programs.
func TestTelemetryStaysInTheDemo(t *testing.T) {
	w := &whole{command: command{getenv: environment{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "https://elsewhere", "OTEL_TRACES_EXPORTER": "console", "OTEL_RESOURCE_ATTRIBUTES": "service.name=other",
		"OTEL_TRACES_SAMPLER": "always_on", "OTEL_BLRP_SCHEDULE_DELAY": "50",
	}.lookup}}
	for name, want := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_TRACES_EXPORTER": "", "OTEL_RESOURCE_ATTRIBUTES": "",
		"OTEL_TRACES_SAMPLER": "always_on", "OTEL_BLRP_SCHEDULE_DELAY": "50", "OTEL_BSP_SCHEDULE_DELAY": "500",
	} {
		if got, _ := w.telemetryEnv(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
