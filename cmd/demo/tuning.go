package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/waybill-dev/waybill/demo-services/gateway"
	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/notification"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/payment"
)

// tuning is how patient the services are with one another, whom they serve, and who
// sends their mail.
type tuning struct {
	signIn         bool
	requestTimeout time.Duration
	saga           order.SagaConfig
	reservationTTL time.Duration
	pspTimeout     time.Duration
	breaker        payment.BreakerConfig
	mail           notification.SMTPConfig
}

// tuned reads the tuning of the environment.
func (c command) tuned() (tuning, error) {
	t := tuning{
		requestTimeout: gateway.DefaultConfig().Limits.Timeout,
		saga:           order.DefaultSagaConfig(),
		reservationTTL: inventory.DefaultConfig().ReservationTTL,
		pspTimeout:     payment.DefaultConfig().PSPTimeout,
		breaker:        payment.DefaultBreakerConfig(),
		mail:           notification.DefaultSMTPConfig(),
	}
	// As with databases, it may hold a password.
	t.mail.URL, t.mail.From = c.env("SMTP_URL", ""), c.env("SMTP_FROM", t.mail.From)
	return t, errors.Join(
		c.envBool("SIGN_IN", &t.signIn),
		c.envDuration("REQUEST_TIMEOUT", &t.requestTimeout),
		c.envDuration("SAGA_LEASE", &t.saga.Lease),
		c.envCount("SAGA_PARK_AFTER", func(n uint32) { t.saga.ParkAfter = int(n) }),
		c.envDuration("RESERVATION_TTL", &t.reservationTTL),
		c.envDuration("PSP_TIMEOUT", &t.pspTimeout),
		c.envCount("BREAKER_FAILURES", func(n uint32) { t.breaker.Failures = n }),
		c.envDuration("BREAKER_OPEN_FOR", &t.breaker.OpenFor),
		c.envCount("BREAKER_SUCCESSES", func(n uint32) { t.breaker.Successes = n }),
	)
}

// envDuration reads a variable, if it is set, that is a time of more than 0.
func (c command) envDuration(name string, into *time.Duration) error {
	text := c.env(name, "")
	if text == "" {
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("%s=%q: want a time such as 15s", name, text)
	}
	*into = d
	return nil
}

// envBool reads a variable, if it is set, that is true or false.
func (c command) envBool(name string, into *bool) (err error) {
	text := c.env(name, "")
	if text == "" {
		return nil
	}
	if *into, err = strconv.ParseBool(text); err != nil {
		return fmt.Errorf("%s=%q: want true or false", name, text)
	}
	return nil
}

// envCount reads a variable, if it is set, that is a number of at least 1.
func (c command) envCount(name string, into func(uint32)) error {
	text := c.env(name, "")
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 {
		return fmt.Errorf("%s=%q: want a number of at least 1", name, text)
	}
	into(uint32(n))
	return nil
}
