package collector

import (
	"fmt"

	"github.com/waybill-dev/waybill/collector/admin"
	"github.com/waybill-dev/waybill/collector/listen"
)

// Listeners are all places where the collector can be reached, in the order in
// which data passes, those that are off as well.
func (c *Collector) Listeners() []admin.Listener {
	return append(c.dataListeners(), admin.Listener{
		Key: "admin", Name: "health, own metrics and status", Addr: c.Admin(), Security: c.configured.get().Admin.Summary(),
	})
}

// dataListeners are those that data passes.
func (c *Collector) dataListeners() []admin.Listener {
	var all []admin.Listener
	for _, l := range c.receivers.Listeners() {
		all = append(all, admin.Listener{Key: l.Key, Name: l.Name, Addr: l.Addr, Security: l.Security})
	}
	return append(all, admin.Listener{Key: "derive", Name: "derived metrics", Addr: c.Scrape(), Security: c.configured.get().Derive.Summary()})
}

// warnOfOpenListeners tells which listeners anybody who reaches this machine may
// use. That may be meant, where the network is the collector's own.
func (c *Collector) warnOfOpenListeners() {
	var open []string
	for _, l := range c.Listeners() {
		if l.Addr != nil && l.Security == "" && !listen.Loopback(l.Addr) {
			open = append(open, fmt.Sprintf("%s %v", l.Key, l.Addr))
		}
	}
	if len(open) > 0 {
		c.logger.Warn("listeners take connections from other machines, without TLS and without a token", "listeners", open)
	}
}
