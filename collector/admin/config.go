package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/waybill-dev/waybill/collector/listen"
)

// Config says where the collector tells about itself.
type Config struct {
	// Address is the host and port of health, own metrics and the status page;
	// "off" serves none of them.
	Address string `yaml:"address"`

	listen.Security

	// StallAfter is how long a reader may stand still while there is something
	// to read before the collector says that it is not ready. Zero means that
	// readers are not watched.
	StallAfter time.Duration `yaml:"stall_after"`
	// LogLevel is debug, info, warn or error: what is below it is not logged.
	// Programs that embed a collector may log as they like.
	LogLevel slog.Level `yaml:"log_level"`
	// Drain is how long a collector that is being stopped goes on for readers to
	// come up to date. It does not wait for destinations that fail; what is left
	// is delivered after the next start.
	Drain time.Duration `yaml:"drain"`
}

// DefaultConfig serves on the loopback address and gives readers a minute,
// and five seconds at the end.
func DefaultConfig() Config {
	return Config{Address: "127.0.0.1:13133", StallAfter: time.Minute, Drain: 5 * time.Second}
}

// Enabled says whether there is to be a listener.
func (c Config) Enabled() bool { return c.Address != "off" }

// Validate reports all that is wrong with the configuration, by its keys.
func (c Config) Validate() error {
	var errs []error
	if c.Enabled() {
		if err := listen.CheckAddress(c.Address); err != nil {
			errs = append(errs, fmt.Errorf("address: %w", err))
		}
		errs = append(errs, c.Security.Validate(""))
	}
	if c.StallAfter < 0 {
		errs = append(errs, fmt.Errorf("stall_after: %v is negative", c.StallAfter))
	}
	if c.Drain < 0 {
		errs = append(errs, fmt.Errorf("drain: %v is negative", c.Drain))
	}
	return errors.Join(errs...)
}
