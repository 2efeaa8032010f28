package command

import (
	"errors"
	"log/slog"

	"github.com/waybill-dev/waybill/collector"
)

// Reload has a collector take over what load returns, and logs what becomes of
// it. What is wrong with it changes nothing. take is told of a configuration
// with changes that the collector works with.
func Reload(c *collector.Collector, load func() (collector.Config, error), take func(collector.Config), logger *slog.Logger) {
	var cfg collector.Config
	changed, err := c.Reload(func() (_ collector.Config, err error) {
		cfg, err = load()
		return cfg, err
	})
	switch {
	case errors.Is(err, collector.ErrRestart):
		logger.Error("configuration is not taken over: restart for it, or take these changes back", "error", err)
	case err != nil:
		logger.Error("configuration is not taken over", "error", err)
	case len(changed) > 0:
		take(cfg)
		logger.Info("configuration is taken over", "changed", changed)
	default:
		logger.Info("configuration has not changed")
	}
}
