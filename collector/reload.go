package collector

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/admin"
)

// What became of a configuration, as the label of waybill_config_reloads_total.
const (
	reloadApplied   = "applied"
	reloadUnchanged = "unchanged"
	reloadRefused   = "refused"
)

// ErrRestart says that a configuration cannot be had without a restart.
var ErrRestart = errors.New("it needs a restart")

// configured is the configuration that a collector works with. It is safe for
// concurrent use.
type configured struct {
	changing sync.Mutex // held by Reload and Shutdown; taken before mu
	stopped  bool       // guarded by changing

	mu      sync.Mutex
	cfg     Config
	refused admin.Refusal // the last one, unless another was taken since

	reloads *prometheus.CounterVec
	loaded  prometheus.Gauge
}

func (c *configured) register(reg prometheus.Registerer) error {
	c.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "waybill_config_reloads_total",
		Help: "Configurations that a running collector was given, by what became of them.",
	}, []string{"outcome"})
	for _, outcome := range []string{reloadApplied, reloadUnchanged, reloadRefused} {
		c.reloads.WithLabelValues(outcome)
	}
	c.loaded = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "waybill_config_loaded_timestamp_seconds",
		Help: "When the configuration was loaded that the collector works with, in seconds since 1970.",
	})
	return errors.Join(reg.Register(c.reloads), reg.Register(c.loaded))
}

func (c *configured) take(cfg Config, outcome string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg, c.refused = cfg, admin.Refusal{}
	c.loaded.SetToCurrentTime()
	if outcome != "" {
		c.reloads.WithLabelValues(outcome).Inc()
	}
}

func (c *configured) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused = admin.Refusal{At: time.Now(), Reason: err.Error()}
	c.reloads.WithLabelValues(reloadRefused).Inc()
}

func (c *configured) get() Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cfg
}

func (c *configured) lastRefusal() admin.Refusal {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refused
}

// Reload makes the configuration that load returns the collector's, and says
// which keys have changed. Listeners and cursors stay. With an error nothing
// has changed: load's own, or ErrRestart, whose text has the keys that can only
// be had by a restart. A destination that is gone gives up its cursor.
func (c *Collector) Reload(load func() (Config, error)) ([]string, error) {
	c.configured.changing.Lock()
	defer c.configured.changing.Unlock()
	if c.configured.stopped {
		return nil, errors.New("the collector has been stopped")
	}
	changed, err := c.reload(load)
	if err != nil {
		c.configured.refuse(err)
	}
	return changed, err
}

func (c *Collector) reload(load func() (Config, error)) ([]string, error) {
	cfg, err := load()
	if err == nil {
		err = cfg.Validate()
	}
	if err != nil {
		return nil, err
	}
	changed, restart := changes(c.configured.get(), cfg)
	switch {
	case len(restart) > 0:
		return nil, fmt.Errorf("%w: %s", ErrRestart, strings.Join(restart, ", "))
	case len(changed) == 0:
		c.configured.take(cfg, reloadUnchanged)
		return nil, nil
	}
	// First what may fail, and then leaves everything as it was.
	changeRules, err := c.prepareListeners(cfg)
	if err != nil {
		return nil, err
	}
	if err := c.exporters.Reload(cfg.forwarding()); err != nil {
		// It may have got some of the cursors that it wanted before one failed.
		return nil, errors.Join(fmt.Errorf("export: %w", err), c.forgetUnused(c.configured.get(), c.logger))
	}
	if err := c.redact.Reconfigure(cfg.Redact); err != nil {
		panic("BUG: a valid configuration is refused: " + err.Error())
	}
	if c.deriver != nil {
		c.deriver.Reconfigure(cfg.Derive)
	}
	if c.sampling != nil {
		c.sampling.sampler.Reconfigure(cfg.Sample.Head)
	}
	c.strategies.Set(strategies(cfg))
	if c.admin != nil {
		c.admin.Reconfigure(cfg.Admin)
	}
	if changeRules != nil {
		changeRules()
		c.warnOfOpenListeners()
	}
	c.configured.take(cfg, reloadApplied)
	if err := c.forgetUnused(cfg, c.logger); err != nil {
		c.logger.Error("a removed destination still holds its place in the journal", "error", err)
	}
	return changed, nil
}
