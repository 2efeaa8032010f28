package main

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// scattered is a shop whose services are processes of their own, each of which
// finds the others in the registry, but for psp, which is not in it.
type scattered struct {
	env  []string
	data string
	bus  string

	mu        sync.Mutex
	addresses map[string]string
}

func newScattered(t *testing.T, database string) *scattered {
	t.Helper()
	broker, err := platform.StartBroker(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	s := &scattered{data: t.TempDir(), bus: broker.URL(), addresses: map[string]string{}}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", s.at("psp") },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(proxy.Close)
	s.env = []string{
		"LISTEN=127.0.0.1:0", "ADMIN_LISTEN=off", "DATA_DIR=" + s.data, "DATABASE_URL=" + database, "NATS_URL=" + s.bus,
		"REGISTRY_URL=" + s.bus, "PSP_URL=" + proxy.URL, "BREAKER_OPEN_FOR=500ms", "SAGA_LEASE=2s",
		"OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none", "OTEL_LOGS_EXPORTER=none",
	}
	if database != "" {
		s.data = database
	}
	return s
}

// at is where a service has been last.
func (s *scattered) at(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addresses[name]
}

// start has a service run, anywhere, and returns when it serves.
func (s *scattered) start(t *testing.T, name string) *process {
	t.Helper()
	p := startProcess(t, append(slices.Clone(s.env), "INSTANCE_ID="+name+"-1"), name)
	address, _ := p.said.serving(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addresses[name] = address
	return p
}

// place posts an order. Nothing is said of an order by a gateway that is not
// there, or goes away.
func (s *scattered) place(t *testing.T) (id string, status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.at("gateway")+"/api/v1/orders", strings.NewReader(exampleOrder))
	if err != nil {
		t.Fatal(err)
	}
	response, err := client().Do(request)
	if err != nil {
		return "", 0
	}
	defer func() { _ = response.Body.Close() }()
	var placed struct{ ID string }
	if json.NewDecoder(response.Body).Decode(&placed) != nil {
		return "", 0
	}
	return placed.ID, response.StatusCode
}

// TestServicesInAnyOrder starts each service as a process of its own, those that
// call others before those, and then, while customers order, ends one after the
// other, well or by force, and starts it again somewhere else. Orders of which a
// customer was told that they are confirmed are, and the books balance.
func TestServicesInAnyOrder(t *testing.T) {
	t.Parallel()
	for name, database := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScattered(t, database(t))
			running := map[string]*process{}
			var names []string
			for _, service := range slices.Backward(services()) {
				names = append(names, service.name)
				running[service.name] = s.start(t, service.name)
			}
			s.wantOrder(t)
			stop := s.keepOrdering(t)
			rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			t.Logf("restarted are %v, every second one is killed", names)
			for i, name := range names {
				how := syscall.SIGKILL
				// Mail that notification is sending when it is killed is left to it
				// for 45 s, for which nobody wants to wait here.
				if i%2 == 0 || name == "notification" {
					how = syscall.SIGTERM
				}
				running[name].end(t, how)
				running[name] = s.start(t, name)
			}
			s.wantOrder(t)
			s.wantBalance(t, stop())
		})
	}
}

// wantOrder waits for an order that is confirmed.
func (s *scattered) wantOrder(t *testing.T) {
	t.Helper()
	eventually(t, "order that is confirmed", func() bool {
		_, status := s.place(t)
		return status == http.StatusCreated
	})
}

// keepOrdering has customers order until stop, which returns the orders that are
// confirmed as far as they know.
func (s *scattered) keepOrdering(t *testing.T) (stop func() (confirmed []string)) {
	t.Helper()
	var over atomic.Bool
	var mu sync.Mutex
	var confirmed []string
	var customers sync.WaitGroup
	for range 2 {
		customers.Go(func() {
			for !over.Load() {
				id, status := s.place(t)
				if status != http.StatusCreated {
					time.Sleep(20 * time.Millisecond) // Nobody tries again at once.
					continue
				}
				mu.Lock()
				confirmed = append(confirmed, id)
				mu.Unlock()
			}
		})
	}
	stop = func() []string { over.Store(true); customers.Wait(); return confirmed }
	t.Cleanup(func() { stop() })
	return stop
}

// wantBalance audits all databases and the bus.
func (s *scattered) wantBalance(t *testing.T, confirmed []string) {
	t.Helper()
	tool := auditTool{command: command{stdout: &output{}}, places: []string{s.data}, nats: s.bus, wait: 2 * patience}
	report, err := tool.settled(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tool.print(report)
	t.Logf("%d orders were confirmed meanwhile\n%s", len(confirmed), tool.stdout)
	if len(report.Findings) > 0 || !report.Settled() || len(confirmed) == 0 {
		t.Error("the books do not balance")
	}
	books := tool.books(t)
	for _, id := range confirmed {
		if a := books.Orders[id]; a == nil || a.Order.Step != order.Confirmed {
			t.Errorf("a customer was told that order %s is confirmed, it is %+v", id, a)
		}
	}
}
