package payment

import (
	"errors"
	"time"

	"github.com/waybill-dev/waybill/middleware/client"
)

// BreakerConfig is when the payment provider is left alone.
type BreakerConfig struct {
	// Failures in a row open the breaker: nobody asks the provider any more.
	// Zero never opens it.
	Failures uint32
	// OpenFor is how long. Then a few may try: the breaker is half open.
	OpenFor time.Duration
	// Successes in a row close it again; one failure opens it again.
	Successes uint32
}

// DefaultBreakerConfig bears five failures, and tries again after 30 s.
func DefaultBreakerConfig() BreakerConfig {
	return BreakerConfig{Failures: 5, OpenFor: 30 * time.Second, Successes: 3}
}

// errOpen says that the provider was not asked, because it has failed so often.
var errOpen = errors.New("psp is left alone: the circuit breaker is open")

// settings are those of the client. Failures are what the provider does not
// answer, and what it answers with 5xx; a caller that goes away says nothing of it.
func (c BreakerConfig) settings() client.Breaker {
	if c.Failures == 0 {
		return client.Breaker{}
	}
	return client.Breaker{Failures: c.Failures, OpenFor: c.OpenFor, Probes: c.Successes}
}
