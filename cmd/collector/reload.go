package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/waybill-dev/waybill/collector"
)

// reload has the collector take over the configuration file as it is now. What
// is wrong with it is logged, and the collector goes on as before.
func (p *program) reload(c *collector.Collector, logger *slog.Logger) {
	var cfg collector.Config
	changed, err := c.Reload(func() (_ collector.Config, err error) {
		cfg, err = p.load()
		return cfg, err
	})
	switch {
	case errors.Is(err, collector.ErrRestart):
		logger.Error("configuration is not taken over: restart the collector for it, or take these changes back", "error", err)
	case err != nil:
		logger.Error("configuration is not taken over", "error", err)
	case len(changed) > 0:
		p.logLevel.Set(cfg.Admin.LogLevel)
		logger.Info("configuration is taken over", "changed", changed)
	default:
		logger.Info("configuration has not changed")
	}
}

// follower tells when the configuration is to be read again: on SIGHUP, and
// when the file's content has changed. It looks at the content, because a file
// may be replaced through a symbolic link, in place, or without a newer time.
type follower struct {
	path    string // "": there is no file
	hangups chan os.Signal
	looks   *time.Ticker
	// taken is the content that was read last, seen that at the last look. What
	// changes between two looks may be half written.
	taken, seen [sha256.Size]byte
}

func (p *program) follow() *follower {
	f := &follower{path: p.configFile, hangups: make(chan os.Signal, 1), looks: time.NewTicker(p.lookEvery)}
	signal.Notify(f.hangups, syscall.SIGHUP)
	f.taken, _ = f.content()
	f.seen = f.taken
	return f
}

func (f *follower) stop() {
	signal.Stop(f.hangups)
	f.looks.Stop()
}

// next waits until there is something to read; false says that ctx has ended.
func (f *follower) next(ctx context.Context) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-f.hangups:
			f.taken, _ = f.content()
			f.seen = f.taken
			return true
		case <-f.looks.C:
			if f.changed() {
				return true
			}
		}
	}
}

// changed says that the content is another one, for two looks. A file that
// cannot be read is on its way.
func (f *follower) changed() bool {
	now, ok := f.content()
	if !ok {
		return false
	}
	settled := now == f.seen && now != f.taken
	f.seen = now
	if settled {
		f.taken = now
	}
	return settled
}

// content is not ok either when there is nothing in the file. That is what a
// full disk leaves of one that is written in place, and it would be taken for
// the wish that nothing be forwarded any more, and no place kept.
func (f *follower) content() (sum [sha256.Size]byte, ok bool) {
	if f.path == "" {
		return sum, false
	}
	data, err := os.ReadFile(filepath.Clean(f.path))
	if err != nil || len(bytes.TrimSpace(data)) == 0 {
		return sum, false
	}
	return sha256.Sum256(data), true
}
