package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/waybill-dev/waybill/demo-services/shopper"
)

// runShopper runs the customers alone, until the context ends.
func (c command) runShopper(ctx context.Context, args []string) error {
	cfg := shopper.DefaultConfig()
	if text, _ := c.getenv("RATE"); text != "" {
		rate, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return usageError{fmt.Errorf("RATE=%q: want orders a second", text)}
		}
		cfg.Rate = rate
	}
	if err := c.envBool("SIGN_IN", &cfg.SignIn); err != nil {
		return usageError{err}
	}
	flags := flag.NewFlagSet("demo shopper", flag.ContinueOnError)
	flags.BoolVar(&cfg.SignIn, "sign-in", cfg.SignIn, "customers sign in before they order")
	flags.StringVar(&cfg.GatewayURL, "gateway", c.env("GATEWAY_URL", cfg.GatewayURL), "the base `URL` of the gateway")
	flags.Float64Var(&cfg.Rate, "rate", cfg.Rate, "orders a second")
	flags.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "the same seed has the same customers come in")
	if err := c.parse(flags, args); err != nil {
		return err
	}
	if err := cfg.Validate(); err != nil {
		return usageError{err}
	}
	logger := slog.New(slog.NewJSONHandler(c.stderr, nil))
	logger.InfoContext(ctx, "shopping", "gateway", cfg.GatewayURL, "rate", cfg.Rate)
	report, err := shopper.Run(ctx, cfg, logger)
	logger.InfoContext(ctx, "stopped", "orders", report.Orders(), "confirmed", report.Confirmed,
		"refused", report.Refused, "failed", report.Failed, "missed", report.Missed)
	return err
}

func (w *whole) customers() shopper.Config {
	cfg := shopper.DefaultConfig()
	cfg.Rate, cfg.SignIn = w.rate, w.tuning.signIn
	if w.gateURL != "" {
		cfg.GatewayURL = w.gateURL
	}
	return cfg
}

// startShopper lets the customers in, and has them leave when the demo ends.
func (w *whole) startShopper(ctx context.Context) {
	ctx, leave := context.WithCancel(ctx)
	left := make(chan struct{})
	var report shopper.Report
	var err error
	go func() {
		defer close(left)
		report, err = shopper.Run(ctx, w.customers(), w.logger.With("component", "shopper"))
	}()
	w.started("shopper", func(context.Context) error {
		leave()
		<-left
		fmt.Fprintf(w.stdout, "\n%d orders: %d confirmed, %d refused, %d failed, %d missed\n",
			report.Orders(), report.Confirmed, report.Refused, report.Failed, report.Missed)
		return err
	})
}
