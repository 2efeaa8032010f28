package command

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/waybill-dev/waybill/collector"
	"github.com/waybill-dev/waybill/collector/listen"
)

// Beside is what a configuration changes in what runs beside the collector.
type Beside struct {
	// Changed are the keys.
	Changed []string
	// take has them take effect; nil where there is nothing to do.
	take func()
}

// Guarded is a listener whose rule may change while it runs; see listen.Door.
type Guarded interface {
	Prepare(rule listen.Security) (change func(), err error)
}

// BesideOf compares what is said in a section of its own about a part beside the
// collector, and prepares the rule of its listener, the only thing of it that
// does not need a restart. taken is told when that part goes by after.
func BesideOf[C any](section string, before, after C, rule listen.Security, part Guarded, taken func(C)) (Beside, error) {
	changed := collector.Differences(section, before, after)
	var restart []string
	for _, key := range changed {
		if !strings.HasPrefix(key, section+".tls.") && !strings.HasPrefix(key, section+".auth.") {
			restart = append(restart, key)
		}
	}
	if len(restart) > 0 {
		return Beside{}, fmt.Errorf("%w: %s", collector.ErrRestart, strings.Join(restart, ", "))
	}
	change, err := part.Prepare(rule)
	if err != nil {
		return Beside{}, err
	}
	return Beside{changed, func() {
		if change != nil {
			change()
		}
		taken(after)
	}}, nil
}

// Reload has a collector take over what load returns, and logs what becomes of
// it. What is wrong with it changes nothing. take is told of a configuration
// with changes that the collector works with.
func Reload(c *collector.Collector, load func() (collector.Config, error), take func(collector.Config), logger *slog.Logger) {
	ReloadAll(c, func() (collector.Config, Beside, error) {
		cfg, err := load()
		return cfg, Beside{}, err
	}, take, logger)
}

// ReloadAll is Reload with what runs beside the collector, which takes its
// changes over when the collector has taken its own.
func ReloadAll(c *collector.Collector, load func() (collector.Config, Beside, error), take func(collector.Config), logger *slog.Logger) {
	var cfg collector.Config
	var beside Beside
	changed, err := c.Reload(func() (_ collector.Config, err error) {
		cfg, beside, err = load()
		return cfg, err
	})
	if err == nil && beside.take != nil {
		beside.take()
	}
	all := slices.Concat(changed, beside.Changed)
	switch {
	case errors.Is(err, collector.ErrRestart):
		logger.Error("configuration is not taken over: restart for it, or take these changes back", "error", err)
	case err != nil:
		logger.Error("configuration is not taken over", "error", err)
	case len(all) > 0:
		take(cfg)
		logger.Info("configuration is taken over", "changed", all)
	default:
		logger.Info("configuration has not changed")
	}
}
