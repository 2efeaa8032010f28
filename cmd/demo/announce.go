package main

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
)

// addressLine is one line of what the demo prints when it has started.
type addressLine struct{ name, url string }

// place notes where something is that has no URL.
func (w *whole) place(name, where string) {
	w.lines = append(w.lines, addressLine{name, where})
}

// address notes what to print; a listener that is off has no line.
func (w *whole) address(name string, addr net.Addr, path string) {
	if addr != nil {
		w.lines = append(w.lines, addressLine{name, urlOf(addr) + path})
	}
}

// announce prints what to open, a name and a URL on each line, and what the
// commands that look into the shop need; and what to do first.
func (w *whole) announce() {
	order := []string{"gateway", "viewer", "metrics", "collector", "order", "notification", "nats", "mesh"}
	slices.SortStableFunc(w.lines, func(a, b addressLine) int {
		return slices.Index(order, a.name) - slices.Index(order, b.name)
	})
	for _, line := range w.lines {
		fmt.Fprintf(w.stdout, "%-12s %s\n", line.name, line.url)
	}
	fmt.Fprintf(w.stdout, "%-12s %s\n", "logs", filepath.Join(w.data, "demo.log"))
	fmt.Fprintf(w.stdout, `
Place an order, then look for its x-trace-id in the viewer; Ctrl-C stops everything:
curl -si -XPOST %s/api/v1/orders -d '%s'
`, w.gateURL, exampleOrder)
}

// exampleOrder is the README's.
const exampleOrder = `{"user_id":"usr_ada","currency":"EUR","card_token":"tok_visa","items":[{"item_id":"itm_coffee","quantity":1}]}`

// urlOf is what to open to come to a listener.
func urlOf(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
