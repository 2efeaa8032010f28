package main

import (
	"strconv"
	"strings"
	"testing"
)

// TestRoutesAreWhereServicesListen is about what a service beside a sidecar need
// not be told, because its defaults are right.
func TestRoutesAreWhereServicesListen(t *testing.T) {
	ports := map[string]string{}
	for _, s := range services() {
		if s.instances > 0 {
			_, ports[s.name], _ = strings.Cut(s.defaults.Listen, ":")
		}
	}
	for _, r := range routes(10) {
		if want := ports[r.Service]; want != strconv.Itoa(int(r.Port)) {
			t.Errorf("%s is looked for at port %d, and listens at %s", r.Service, r.Port, want)
		}
		delete(ports, r.Service)
	}
	for service := range ports {
		t.Errorf("there is no route to %s", service)
	}
	at, err := command{getenv: environment{}.lookup}.addresses()
	if err != nil {
		t.Fatal(err)
	}
	for service, address := range map[string]string{"user": at.user, "order": at.order, "inventory": at.inventory, "payment": at.payment} {
		for _, r := range routes(10) {
			if want := "127.0.0.1:" + strconv.Itoa(int(r.Port)); r.Service == service && address != want {
				t.Errorf("%s is looked for at %s, and its sidecar is at %s", service, address, want)
			}
		}
	}
}
