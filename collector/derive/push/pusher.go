package push

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// lastFor bounds the last push, when the collector stops.
	lastFor = 3 * time.Second
	// complainEvery is how often a lasting trouble is logged.
	complainEvery = time.Minute
)

// Pusher pushes to one backend until it is shut down.
type Pusher struct {
	gatherer prometheus.Gatherer
	sender   sender
	interval time.Duration
	memory   *memory
	meters   *meters
	logger   *slog.Logger

	stop    context.CancelFunc
	running sync.WaitGroup

	failing    bool // of push
	complained time.Time
}

// sender brings metrics to a backend. It is used by one goroutine.
type sender interface {
	// send sends metrics as of a time, in several requests where they are many,
	// and again and again where that may help, until ctx ends. It returns how
	// many of the first metrics the backend has had.
	send(ctx context.Context, metrics []metric, at time.Time) (int, error)
	close()
}

// StartRemoteWrite pushes what g gathers. waybill_derive_push_… are registered
// with reg. cfg must be valid and enabled. Errors: files of TLS that are of no
// use.
func StartRemoteWrite(cfg RemoteWrite, g prometheus.Gatherer, reg prometheus.Registerer, logger *slog.Logger) (*Pusher, error) {
	m := newMeters(cfg.target().key)
	s, err := newRemote(cfg, m, logger)
	if err != nil {
		return nil, err
	}
	return start(g, s, cfg.Interval, m, reg, logger.With("push", cfg.target().key))
}

// StartOTLP is StartRemoteWrite with the other protocol.
func StartOTLP(cfg OTLP, g prometheus.Gatherer, reg prometheus.Registerer, logger *slog.Logger) (*Pusher, error) {
	m := newMeters(cfg.target().key)
	s, err := newOTLP(cfg, m)
	if err != nil {
		return nil, err
	}
	return start(g, s, cfg.Interval, m, reg, logger.With("push", cfg.target().key))
}

func start(g prometheus.Gatherer, s sender, interval time.Duration, m *meters, reg prometheus.Registerer, logger *slog.Logger) (*Pusher, error) {
	if err := m.register(reg); err != nil {
		return nil, err
	}
	p := &Pusher{gatherer: g, sender: s, interval: interval, memory: newMemory(), meters: m, logger: logger}
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	p.running.Go(func() { p.run(ctx) })
	return p, nil
}

// run pushes at each interval, first after a part of one, so that collectors
// which start together do not push together.
func (p *Pusher) run(ctx context.Context) {
	timer := time.NewTimer(rand.N(p.interval) + 1) //nolint:gosec // Nobody gains by guessing it.
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		timer.Reset(p.interval)
		until, cancel := context.WithTimeout(ctx, p.interval)
		families, err := p.gatherer.Gather()
		if err != nil { // The others are there all the same.
			p.complain("some derived metrics cannot be pushed", err)
		}
		now := time.Now()
		p.push(until, p.memory.take(families, now), now)
		cancel()
	}
}

// push sends metrics, and remembers whose end the backend has been told.
func (p *Pusher) push(ctx context.Context, metrics []metric, at time.Time) {
	if len(metrics) == 0 {
		return
	}
	sent, err := p.sender.send(ctx, metrics, at)
	p.memory.forget(metrics[:sent])
	if err == nil {
		if p.failing {
			p.failing = false
			p.logger.Info("derived metrics are pushed again")
		}
		p.meters.succeeded.SetToCurrentTime()
		return
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return // It stops; what is pushed last has what this had.
	}
	p.failing = true
	p.complain("derived metrics cannot be pushed; the next push makes up for it", errors.New(reason(err)))
}

// complain logs a lasting trouble now and then.
func (p *Pusher) complain(message string, err error) {
	if now := time.Now(); now.Sub(p.complained) >= complainEvery {
		p.complained = now
		p.logger.Error(message, "error", err)
	}
}

// Shutdown pushes what is there for the last time, and then ends all series, so
// that nobody takes them for alive until they are forgotten. That may take three
// seconds, or until ctx ends.
func (p *Pusher) Shutdown(ctx context.Context) {
	p.stop()
	p.running.Wait()
	ctx, cancel := context.WithTimeout(ctx, lastFor)
	defer cancel()
	families, err := p.gatherer.Gather()
	if err != nil {
		p.complain("some derived metrics cannot be pushed", err)
	}
	now := time.Now()
	p.push(ctx, p.memory.take(families, now), now)
	p.push(ctx, p.memory.end(now), now.Add(time.Millisecond))
	p.sender.close()
}

// host is the name of this machine.
func host() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// withDefaults adds to labels the defaults that are not there. It returns a
// copy.
func withDefaults(labels, defaults map[string]string) map[string]string {
	all := maps.Clone(defaults)
	maps.Copy(all, labels)
	return all
}
