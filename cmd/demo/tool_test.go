package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// printed runs a command that ends by itself, and returns what it prints.
func printed(t *testing.T, status int, args ...string) string {
	t.Helper()
	p := runProgram(t, nil, args...)
	if got := p.wait(t); got != status {
		t.Errorf("demo %v: status %d, want %d: %s", args, got, status, p.errs)
	}
	return p.out.String()
}

// TestToolsLookIntoTheShop has orders of all kinds come, and one message that
// nobody can handle.
func TestToolsLookIntoTheShop(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	d := startDemo(t, "--rate", "0", "--data", data)
	bus, orders := d.address(t, "nats"), d.address(t, "order")
	for _, body := range []string{exampleOrder, orderOf("usr_ada", "tok_declined", "itm_tea"), orderOf("usr_ada", "tok_outage", "itm_tea")} {
		d.place(t, body)
	}
	t.Run("readmodel", func(t *testing.T) {
		eventually(t, "the orders in the read model", func() bool {
			out := printed(t, 0, "readmodel", "statistics", "--order", orders)
			return regexp.MustCompile(`confirmed +EUR +1 +18\.90\n`).MatchString(out) && regexp.MustCompile(`cancelled +EUR +2 +15\.80\n`).MatchString(out)
		})
		if out := printed(t, 0, "readmodel", "rebuild", "--order", orders); out != "the read model is made again, with 3 orders\n" {
			t.Errorf("it prints %q", out)
		}
	})
	t.Run("saga", func(t *testing.T) {
		if out := printed(t, 0, "saga", "list", "--order", orders, "--parked"); strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "ORDER") {
			t.Errorf("it prints %q", out)
		}
		p := runProgram(t, nil, "saga", "resume", "ord_none", "--order", orders)
		if status := p.wait(t); status != 1 || !strings.Contains(p.errs.String(), "order ord_none: the order has no saga under way") {
			t.Errorf("status %d: %s", status, p.errs)
		}
	})
	t.Run("audit", func(t *testing.T) {
		out := printed(t, 0, "audit", "--data", data, "--nats", bus)
		for _, line := range []string{
			"orders     3: 2 cancelled, 1 confirmed\n", "money      18.90 EUR are with psp\n", "stock      1 pieces are sold\n",
			"messages   3 sent, 0 dead letters\n", "under way  0 orders, 0 of them parked, 0 events, 0 messages\n", "the books balance\n",
		} {
			if !strings.Contains(out, line) {
				t.Errorf("there is no %q in\n%s", line, out)
			}
		}
	})
	t.Run("mail", func(t *testing.T) {
		out := printed(t, 0, "mail", "list", "--notification", d.address(t, "notification"))
		if strings.Count(out, "\n") != 1 || !strings.HasPrefix(out, "EVENT") {
			t.Errorf("it prints %q", out)
		}
	})
	t.Run("bus", func(t *testing.T) { testBus(t, bus) })
}

func testBus(t *testing.T, bus string) {
	conn, err := nats.Connect(bus)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Request("orders.confirmed", []byte(`{"id":"evt_poison","type":"order.confirmed","data":{}}`), patience); err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`\n([0-9]+) +\S+ +notification +orders\.confirmed +evt_poison +message can't be handled event has no order`)
	number := func() string {
		if found := row.FindStringSubmatch(printed(t, 0, "bus", "list", "--nats", bus)); found != nil {
			return found[1]
		}
		return ""
	}
	eventually(t, "dead letter", func() bool { return number() != "" })
	first := number()
	shown := printed(t, 0, "bus", "show", first, "--nats", bus)
	for _, part := range []string{"dead letter " + first, "\nDead-Letter-Subject: orders.confirmed\n", "\nTraceparent: 00-", "\n  \"id\": \"evt_poison\",\n"} {
		if !strings.Contains(strings.ToLower(shown), strings.ToLower(part)) {
			t.Errorf("there is no %q in\n%s", part, shown)
		}
	}
	if out := printed(t, 0, "bus", "replay", "--all", "--nats", bus); out != "dead letter "+first+" is published again\n" {
		t.Errorf("it prints %q", out)
	}
	// It can't be handled the second time either.
	eventually(t, "another dead letter", func() bool { again := number(); return again != "" && again != first })
	printed(t, 1, "bus", "replay", first, "--nats", bus)
}
