package receive

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/receive/unary"
)

// calls is a listener for gRPC and who serves it.
type calls struct {
	listener net.Listener
	server   *unary.Server
	running  sync.WaitGroup
}

// calls are served by a handler that asks the guard itself.
func (in *intake) calls(h *grpcHandler) serving {
	return func(l net.Listener, guard *listen.Guard, logger *slog.Logger) listener {
		let := *h
		if guard.Checks() {
			let.guard = guard
		}
		return serveCalls(l, &let, in.callBounds(h.via), logger)
	}
}

// callBounds are those of a call, as much as they can be the same as those of
// a request over HTTP.
func (in *intake) callBounds(via transport) unary.Config {
	cfg := unary.DefaultConfig()
	cfg.MaxStreams = maxStreams
	cfg.LeastMessage = 2 // Any but an empty one.
	cfg.BodyTimeout = bodyTimeout
	cfg.WriteTimeout = answerTimeout - bodyTimeout
	cfg.IdleTimeout = 5 * time.Minute
	cfg.MinRate, cfg.SlowAfter = in.pace.rate, in.pace.slow
	cfg.AcceptEncoding = "gzip,zstd"
	cfg.Hit = in.meters.hit(via)
	return cfg
}

// serveCalls serves a listener until shutdown.
func serveCalls(l net.Listener, h unary.Handler, cfg unary.Config, logger *slog.Logger) *calls {
	c := &calls{listener: l, server: unary.New(cfg, h, logger)}
	c.running.Go(func() {
		if err := c.server.Serve(l); err != nil {
			logger.Error("a receiver stopped listening", "address", l.Addr().String(), "error", err)
		}
	})
	return c
}

func (c *calls) addr() net.Addr { return c.listener.Addr() }

func (c *calls) shutdown(ctx context.Context) error {
	err := c.server.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("shut down the listener at %v: %w", c.addr(), err)
	}
	c.running.Wait()
	return err
}
