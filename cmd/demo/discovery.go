package main

import (
	"errors"
	"fmt"
	"net"
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
// is set, INSTANCE_VERSION the program's, ADVERTISE_ADDR where others reach the
// service, which is where it listens.
func (c command) discovery(service, listen string) (platform.Discovery, error) {
	host, _ := os.Hostname() // who has none can say INSTANCE_ID
	d := platform.Discovery{
		URL:     c.env("REGISTRY_URL", ""),
		Service: service, Instance: c.env("INSTANCE_ID", service+"-"+noKey.ReplaceAllString(host, "-")), Version: c.instanceVersion(),
	}
	if d.URL == "" {
		return d, nil
	}
	var err error
	d.Advertise, err = advertised(c.env("ADVERTISE_ADDR", ""), listen, net.InterfaceAddrs)
	return d, err
}

// instanceVersion is what an instance says that its version is.
func (c command) instanceVersion() string { return c.env("INSTANCE_VERSION", version()) }

// advertised is where others reach who listens. An address without a host, such
// as :9002, is this machine's; so is what listens on all of them. Empty is where
// it listens, whose port the kernel may choose.
func advertised(said, listen string, interfaces func() ([]net.Addr, error)) (string, error) {
	address := said
	if address == "" {
		address = listen
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", fmt.Errorf("ADVERTISE_ADDR=%q: want host:port", said)
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) || port == "0" {
		return said, nil
	}
	found, err := interfaces()
	if err != nil {
		return "", fmt.Errorf("look for this machine's address: %w", err)
	}
	for _, of := range found {
		if network, is := of.(*net.IPNet); is && network.IP.IsGlobalUnicast() && network.IP.To4() != nil {
			return net.JoinHostPort(network.IP.String(), port), nil
		}
	}
	return "", errors.New("this machine has no address that others reach it at: say one by ADVERTISE_ADDR")
}
