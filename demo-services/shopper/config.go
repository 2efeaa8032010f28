package shopper

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// maxRate is far more than the demo's gateway can answer, in orders a second.
const maxRate = 10_000

// Config says where the shopper shops, and how hard.
type Config struct {
	// GatewayURL is the base URL of the shop.
	GatewayURL string
	// Rate is how many orders are placed a second.
	Rate float64
	// Pace says when orders are due instead; nil is Rate all the time.
	Pace Pacer
	// Browse has visitors look around first, and Buying is the share of them who
	// order; the others only look. Without it everybody orders, and nothing else
	// is asked of the shop.
	Browse bool
	Buying float64
	// Think is how long visitors are at a page before they go on, on average.
	Think time.Duration
	// Parallel is how many visitors may wait for the shop at once. One who comes
	// while it is full goes away, and is counted as missed.
	Parallel int
	// Timeout bounds one request.
	Timeout time.Duration
	// SignIn is whether customers sign in before they order.
	SignIn bool
	// Seed chooses the customers: the same seed has the same ones come in.
	Seed uint64
}

// DefaultConfig is two orders a second at a gateway on this machine. Of three
// visitors two buy.
func DefaultConfig() Config {
	return Config{
		GatewayURL: "http://127.0.0.1:8080", Rate: 2, Browse: true, Buying: 2.0 / 3, Think: 400 * time.Millisecond,
		Parallel: 64, Timeout: 10 * time.Second, Seed: 1,
	}
}

// Validate reports all that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if u, err := url.Parse(c.GatewayURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		errs = append(errs, fmt.Errorf("gateway %q: want a URL that begins with http:// or https://", c.GatewayURL))
	}
	if !(c.Rate > 0 && c.Rate <= maxRate) { // NaN is neither.
		errs = append(errs, fmt.Errorf("rate %v: want more than 0 and at most %d orders a second", c.Rate, maxRate))
	}
	if !(c.Buying > 0 && c.Buying <= 1) {
		errs = append(errs, fmt.Errorf("buying %v: want more than 0 and at most 1", c.Buying))
	}
	if c.Think < 0 {
		errs = append(errs, fmt.Errorf("think %v: is negative", c.Think))
	}
	if c.Parallel < 1 {
		errs = append(errs, fmt.Errorf("parallel %d: want at least 1", c.Parallel))
	}
	if c.Timeout <= 0 {
		errs = append(errs, fmt.Errorf("timeout %v: want more than 0", c.Timeout))
	}
	return errors.Join(errs...)
}

// share is how many of the visitors order.
func (c Config) share() float64 {
	if !c.Browse {
		return 1
	}
	return c.Buying
}

// pacer is when orders are due.
func (c Config) pacer() Pacer {
	if c.Pace != nil {
		return c.Pace
	}
	return steady(c.Rate)
}
