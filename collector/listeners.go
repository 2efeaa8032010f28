package collector

import (
	"errors"
	"fmt"

	"github.com/waybill-dev/waybill/collector/admin"
	"github.com/waybill-dev/waybill/collector/listen"
)

// Listeners are all places where the collector can be reached, in the order in
// which data passes, those that are off as well.
func (c *Collector) Listeners() []admin.Listener {
	own := admin.Listener{Key: "admin", Name: "health, own metrics and status", Addr: c.Admin()}
	if c.admin != nil {
		own.State = c.admin.Protection()
	}
	return append(c.dataListeners(), own)
}

// dataListeners are those that data passes.
func (c *Collector) dataListeners() []admin.Listener {
	var all []admin.Listener
	for _, l := range c.receivers.Listeners() {
		all = append(all, admin.Listener{Key: l.Key, Name: l.Name, Addr: l.Addr, State: l.State})
	}
	derived := admin.Listener{Key: "derive", Name: "derived metrics", Addr: c.Scrape()}
	if c.deriver != nil {
		derived.State = c.deriver.Protection()
	}
	return append(all, derived)
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

// prepareListeners reads what the rules of another configuration need, and
// returns what has all listeners go by them, nil where there is nothing to do.
// Until that is called nothing has changed.
func (c *Collector) prepareListeners(cfg Config) (change func(), err error) {
	var changes [3]func()
	var errs [3]error
	changes[0], errs[0] = c.receivers.Prepare(cfg.Receive)
	if c.deriver != nil {
		changes[1], errs[1] = c.deriver.Prepare(cfg.Derive.Security)
	}
	if c.admin != nil {
		changes[2], errs[2] = c.admin.Prepare(cfg.Admin.Security)
	}
	return listen.Together(changes[:]...), errors.Join(errs[:]...)
}
