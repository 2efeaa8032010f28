package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/waybill-dev/waybill/collector"
)

// profiled is the first argument with which this program is our collector that
// writes a profile of its CPU time. The file's name is the second, that of the
// collector's configuration the third.
const profiled = "profiled-collector"

// collect runs our collector until SIGTERM.
func collect(profile, config string) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cfg, err := collector.Load(config, os.LookupEnv, nil)
	if err != nil {
		return err
	}
	file, err := os.Create(profile) //nolint:gosec // whoever starts it has named the file
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	c, err := collector.Start(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	<-ctx.Done()
	return c.Shutdown(context.WithoutCancel(ctx))
}

// profile has our collector under one load write the profile, for go tool pprof.
func (b *bench) profile(ctx context.Context, s subject, rate float64, d time.Duration) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	file, err := filepath.Abs(fmt.Sprintf("%s-%.0f.prof", s.name, rate))
	if err != nil {
		return err
	}
	s.binary = func(binaries) string { return self }
	s.args = func(_ setting, config string) []string { return []string{profiled, file, config} }
	r, err := b.measure(ctx, s, rate, d)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(os.Stdout, "%s: %v\n", file, r)
	return err
}
