package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/waybill-dev/waybill/demo-services/shopper"
	"github.com/waybill-dev/waybill/middleware"
	"github.com/waybill-dev/waybill/tracegen/pace"
)

// runShopper runs the customers alone, until the context ends.
func (c command) runShopper(ctx context.Context, args []string) error {
	cfg, err := c.shopperConfig(args)
	if err != nil {
		return err
	}
	tel, err := middleware.Setup(ctx,
		middleware.WithServiceVersion(version()), middleware.WithLogWriter(c.stderr), middleware.WithGetenv(c.named("shopper")))
	if err != nil {
		return err
	}
	logger := tel.Logger()
	logger.InfoContext(ctx, "shopping", "gateway", cfg.GatewayURL, "rate", cfg.Rate)
	report, err := shopper.Run(ctx, cfg, tel.Registerer(), logger)
	logger.InfoContext(ctx, "stopped", "looked", report.Looked, "orders", report.Orders(), "confirmed", report.Confirmed,
		"refused", report.Refused, "failed", report.Failed, "missed", report.Missed)
	return errors.Join(err, shutDown(context.WithoutCancel(ctx), nil, tel, func(err error) {
		fmt.Fprintln(c.stderr, "demo: telemetry that was left could not be sent:", err)
	}))
}

// shopperConfig reads the flags and the environment of the customers alone.
func (c command) shopperConfig(args []string) (shopper.Config, error) {
	cfg, day := shopper.DefaultConfig(), defaultDay
	var errs [3]error
	if text, _ := c.getenv("RATE"); text != "" {
		if cfg.Rate, errs[0] = strconv.ParseFloat(text, 64); errs[0] != nil {
			errs[0] = fmt.Errorf("RATE=%q: want orders a second", text)
		}
	}
	if text, _ := c.getenv("DAY"); text != "" {
		if day, errs[1] = time.ParseDuration(text); errs[1] != nil {
			errs[1] = fmt.Errorf("DAY=%q: want a time such as 10m, or 0", text)
		}
	}
	errs[2] = c.envBool("SIGN_IN", &cfg.SignIn)
	if err := errors.Join(errs[:]...); err != nil {
		return cfg, usageError{err}
	}
	flags := flag.NewFlagSet("demo shopper", flag.ContinueOnError)
	flags.BoolVar(&cfg.SignIn, "sign-in", cfg.SignIn, "customers sign in before they order")
	flags.StringVar(&cfg.GatewayURL, "gateway", c.env("GATEWAY_URL", cfg.GatewayURL), "the base `URL` of the gateway")
	flags.Float64Var(&cfg.Rate, "rate", cfg.Rate, "orders a second, on average over a day")
	flags.DurationVar(&day, "day", day, dayUsage)
	flags.BoolVar(&cfg.Browse, "browse", cfg.Browse, browseUsage)
	flags.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "the same seed has the same customers come in")
	if err := c.parse(flags, args); err != nil {
		return cfg, err
	}
	cfg.Pace = wave(cfg.Rate, day)
	if err := errors.Join(cfg.Validate(), checkDay(day)); err != nil {
		return cfg, usageError{err}
	}
	return cfg, nil
}

// defaultDay is how long a day of the customers' is: short enough for whoever
// tries the demo to see the wave of one, long enough for every hour of it to
// have some orders.
const (
	defaultDay  = 10 * time.Minute
	browseUsage = "visitors look around first, and one of three does no more"
	dayUsage    = "how long a day of the customers' is, of whom most come in the middle of one; 0 has them come evenly"
)

// tide is how far the rate goes up and down from its average in a day, as a part
// of it.
const tide = 0.8

// wave is when orders are due in days of that length: from the morning, when
// their rate is the average, to the peak, the evening and the night. It is nil,
// which is evenly, without days.
func wave(rate float64, day time.Duration) shopper.Pacer {
	if day == 0 {
		return nil
	}
	return pace.Sine(rate, tide*rate, day)
}

func checkDay(day time.Duration) error {
	if day != 0 && day < time.Second {
		return fmt.Errorf("day %v: want at least 1s, or 0 to have customers come evenly", day)
	}
	return nil
}

func (w *whole) customers() shopper.Config {
	cfg := shopper.DefaultConfig()
	cfg.Rate, cfg.Browse, cfg.SignIn, cfg.Pace = w.rate, w.browse, w.tuning.signIn, wave(w.rate, w.day)
	if w.gateURL != "" {
		cfg.GatewayURL = w.gateURL
	}
	return cfg
}

// startShopper lets the customers in, and has them leave when the demo ends.
func (w *whole) startShopper(ctx context.Context, endpoint string) error {
	tel, err := w.telemetry(ctx, "shopper", "shopper-1", version(), endpoint)
	if err != nil {
		return err
	}
	ctx, leave := context.WithCancel(ctx)
	left := make(chan struct{})
	var report shopper.Report
	go func() {
		defer close(left)
		report, err = shopper.Run(ctx, w.customers(), tel.Registerer(), w.logger.With("component", "shopper"))
	}()
	end := w.ending("shopper-1", tel, nil)
	w.started("shopper", func(ctx context.Context) error {
		leave()
		<-left
		fmt.Fprintf(w.stdout, "\n%d orders: %d confirmed, %d refused, %d failed, %d missed\n",
			report.Orders(), report.Confirmed, report.Refused, report.Failed, report.Missed)
		return errors.Join(err, end(ctx, nil))
	})
	return nil
}
