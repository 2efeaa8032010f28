package main

import (
	"os"
	"regexp"

	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/registry"
)

// target is a service's in the registry.
func target(service string) string { return registry.Scheme + ":///" + service }

// noKey is what can't be a part of a registry's key.
var noKey = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// discovery reads whether a service that runs alone is in a registry, and as
// what: REGISTRY_URL is a NATS server's, INSTANCE_ID the host's name unless it
// is set, ADVERTISE_ADDR where others reach the service.
func (c command) discovery(service string) platform.Discovery {
	host, _ := os.Hostname() // who has none can say INSTANCE_ID
	return platform.Discovery{
		URL:     c.env("REGISTRY_URL", ""),
		Service: service, Instance: c.env("INSTANCE_ID", service+"-"+noKey.ReplaceAllString(host, "-")), Version: version(),
		Advertise: c.env("ADVERTISE_ADDR", ""),
	}
}
