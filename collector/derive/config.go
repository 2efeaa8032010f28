package derive

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// minSeries leaves room for the overflow series and something beside them.
const minSeries = 100

// Config says where derived metrics are served and how many there may be.
type Config struct {
	// Address is the host and port of the listener that Prometheus scrapes;
	// "off" derives nothing.
	Address string `yaml:"address"`
	// MaxSeries bounds the sets of labels. Spans beyond it count in overflow
	// series, which are part of the bound.
	MaxSeries int `yaml:"max_series"`
	// ExpireAfter forgets a set of labels that no span had for so long. Zero
	// keeps them for ever.
	ExpireAfter time.Duration `yaml:"expire_after"`
}

// DefaultConfig serves on the loopback address, up to 10,000 sets of labels
// that live for a quarter of an hour.
func DefaultConfig() Config {
	return Config{Address: "127.0.0.1:8889", MaxSeries: 10_000, ExpireAfter: 15 * time.Minute}
}

// Enabled says whether anything is to be derived.
func (c Config) Enabled() bool { return c.Address != "off" }

// Validate reports all that is wrong with the configuration, by its keys.
func (c Config) Validate() error {
	var errs []error
	if _, _, err := net.SplitHostPort(c.Address); err != nil && c.Enabled() {
		errs = append(errs, fmt.Errorf("address: %w", err))
	}
	if c.MaxSeries < minSeries {
		errs = append(errs, fmt.Errorf("max_series: %d: want at least %d", c.MaxSeries, minSeries))
	}
	if c.ExpireAfter < 0 {
		errs = append(errs, fmt.Errorf("expire_after: %v is negative", c.ExpireAfter))
	}
	return errors.Join(errs...)
}
