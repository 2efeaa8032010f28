package main

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/demo-services/fault"
)

// switchFault is `demo fault on|off KEY`.
func (d running) switchFault(t *testing.T, words ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	args := append(append([]string{"fault"}, words...), "--viewer", d.viewer)
	if status := (command{getenv: environment{}.lookup, stdout: &out, stderr: &errs}).run(t.Context(), args); status != 0 {
		t.Fatalf("demo %v: %d %s", args, status, errs.String())
	}
	return out.String()
}

// suffering waits for the trace until the span of the service and operation
// says that the fault was on, and returns how long the span took.
func (d running) suffering(t *testing.T, trace, service, operation, key string) (took time.Duration) {
	t.Helper()
	eventually(t, operation+" of "+service+" with "+key, func() bool {
		found := findTrace(t, d.viewer, trace)
		for _, s := range found.Spans {
			if found.Processes[s.ProcessID].ServiceName != service || !strings.HasPrefix(s.Operation, operation) {
				continue
			}
			for _, log := range s.Logs {
				fields := map[string]any{}
				for _, field := range log.Fields {
					fields[field.Key] = field.Value
				}
				if fields["event"] == "feature_flag.evaluation" && fields["feature_flag.key"] == key {
					took = time.Duration(s.Duration) * time.Microsecond
					return true
				}
			}
		}
		return false
	})
	return took
}

// count counts the spans of a service that have come.
func (d running) count(t *testing.T, trace, service, operation string) (n int) {
	t.Helper()
	found := findTrace(t, d.viewer, trace)
	for _, s := range found.Spans {
		if found.Processes[s.ProcessID].ServiceName == service && s.Operation == operation {
			n++
		}
	}
	return n
}

// TestFaults switches on one fault after the other, orders, and looks at what
// the customer is told and what the trace shows.
func TestFaults(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--rate", "0")
	t.Run(fault.InstanceKilled, func(t *testing.T) { testInstanceKilled(t, d) })
	t.Run(fault.PoisonMessage, func(t *testing.T) { testPoisonedMessage(t, d) })
	for _, c := range []struct {
		key, service, operation string
		status                  int
		code                    string
		least                   time.Duration
	}{
		{fault.CardsDeclined, "psp", "POST /charges", http.StatusPaymentRequired, "card-declined", 0},
		{fault.PSPSlow, "psp", "POST /charges", http.StatusCreated, "", 2 * time.Second},
		{fault.StockGone, "inventory", "shop.inventory.v1.InventoryService/Reserve", http.StatusConflict, "out-of-stock", 0},
		{fault.ServiceCutOff, "inventory", "shop.inventory.v1.InventoryService/Reserve", http.StatusServiceUnavailable, "inventory-unavailable", 0},
		{fault.SlowDatabase, "order", "INSERT events", http.StatusCreated, "", 50 * time.Millisecond},
		{fault.SlowConsumer, "notification", "process orders.confirmed", http.StatusCreated, "", time.Second},
		{fault.RetryStorm, "psp", "POST /charges", http.StatusCreated, "", 0},
		{fault.PSPDown, "psp", "POST /charges", http.StatusServiceUnavailable, "payment-unavailable", 0},
	} {
		t.Run(c.key, func(t *testing.T) {
			d.switchFault(t, "on", c.key)
			got, id := d.place(t, exampleOrder)
			if got.status != c.status || !strings.Contains(got.body, c.code) {
				t.Errorf("%d %s, want %d %s", got.status, got.body, c.status, c.code)
			}
			if took := d.suffering(t, id, c.service, c.operation, c.key); took < c.least {
				t.Errorf("%s took %v, want at least %v", c.operation, took, c.least)
			}
			if c.key == fault.RetryStorm {
				eventually(t, "both attempts", func() bool { return d.count(t, id, "psp", "POST /charges") == 2 })
			}
			if listed := d.switchFault(t); strings.Count(listed, " ON ") != 1 || !strings.Contains(listed, c.key) {
				t.Errorf("listed:\n%s", listed)
			}
			d.switchFault(t, "off", c.key)
			got, _ = d.place(t, exampleOrder)
			if got.status != http.StatusCreated {
				t.Errorf("afterwards: %d %s", got.status, got.body)
			}
		})
	}
}

// testPoisonedMessage: the customer's order is confirmed, and its event is with
// the dead letters.
func testPoisonedMessage(t *testing.T, d running) {
	d.switchFault(t, "on", fault.PoisonMessage)
	defer d.switchFault(t, "off", fault.PoisonMessage)
	got, id := d.place(t, exampleOrder)
	if got.status != http.StatusCreated {
		t.Fatalf("%d %s", got.status, got.body)
	}
	eventually(t, "dead letter in the trace", func() bool {
		found := findTrace(t, d.viewer, id)
		for _, s := range found.Spans {
			if strings.HasPrefix(s.Operation, "publish deadletters") {
				return true
			}
		}
		return false
	})
}

// instanceOf waits for the trace until a span of the service is there, and
// returns the instance that it is of.
func (d running) instanceOf(t *testing.T, trace, service string) (instance string) {
	t.Helper()
	eventually(t, "a span of "+service, func() bool {
		for _, p := range findTrace(t, d.viewer, trace).Processes {
			for _, tag := range p.Tags {
				if p.ServiceName == service && tag.Key == "service.instance.id" {
					instance, _ = tag.Value.(string)
				}
			}
		}
		return instance != ""
	})
	return instance
}

// testInstanceKilled kills one of two instances while orders go on: none is
// lost. When it is started again, it gets its share.
func testInstanceKilled(t *testing.T, d running) {
	const several = 10
	// handled has orders come, and counts them by who has handled them.
	handled := func() map[string]int {
		t.Helper()
		traces := make([]string, several)
		for i := range traces {
			var got answer
			if got, traces[i] = d.place(t, exampleOrder); got.status != http.StatusCreated {
				t.Fatalf("an order is lost: %d %s", got.status, got.body)
			}
		}
		by := map[string]int{}
		for _, id := range traces {
			by[d.instanceOf(t, id, "inventory")]++
		}
		return by
	}
	both := func() bool { by := handled(); return by["inventory-1"] > 0 && by["inventory-2"] > 0 }
	eventually(t, "share of either instance", both)
	d.switchFault(t, "on", fault.InstanceKilled)
	eventually(t, "instance that is gone", func() bool { return handled()["inventory-1"] == several })
	d.switchFault(t, "off", fault.InstanceKilled)
	eventually(t, "instance that is back", both)
}

func TestFaultCommand(t *testing.T) {
	file := t.TempDir() + "/faults.json"
	for _, c := range []struct {
		env    environment
		args   []string
		status int
		out    string
		err    string
	}{
		{nil, []string{"--file", file}, 0, "psp-down         off  psp", ""},
		{environment{"FAULTS_FILE": file}, []string{"on", "psp-down"}, 0, "", ""},
		{environment{"FAULTS_FILE": file}, nil, 0, "psp-down         ON   psp", ""},
		{nil, []string{"on"}, 2, "", "want nothing, on KEY or off KEY"},
		{nil, []string{"on", "weather"}, 2, "", `"weather" is no fault`},
		{nil, []string{"sometimes", "psp-down"}, 2, "", "want nothing"},
		{nil, []string{"--viewer", "http://127.0.0.1:1"}, 1, "", "ask the demo"},
	} {
		var out, errs bytes.Buffer
		env := maps.Clone(c.env)
		status := command{getenv: env.lookup, stdout: &out, stderr: &errs}.run(context.WithoutCancel(t.Context()), append([]string{"fault"}, c.args...))
		if status != c.status || !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.err) {
			t.Errorf("%v %v: %d\n%s%s", c.env, c.args, status, out.String(), errs.String())
		}
	}
}
