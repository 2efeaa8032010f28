package receive

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"

	"github.com/waybill-dev/waybill/collector/listen"
)

// endpoint is one place where telemetry is taken in. Those that are off are
// there, too.
type endpoint struct {
	key, name string
	door      *listen.Door // nil: off, or
	datagrams *datagrams   // nil: off
}

func (e endpoint) addr() net.Addr {
	if e.datagrams != nil {
		return e.datagrams.addr()
	}
	return e.door.Addr()
}

func (e endpoint) close(ctx context.Context) error {
	return errors.Join(e.door.Shutdown(ctx), e.datagrams.shutdown(ctx))
}

// listener is who serves connections.
type listener interface {
	addr() net.Addr
	shutdown(ctx context.Context) error
}

// plan is an endpoint before it has been opened.
type plan struct {
	key, name string
	open      func(ctx context.Context, e *endpoint) error
}

// opener opens the TCP listeners of one set of receivers.
type opener struct {
	intake *intake
	meters *listen.Meters
}

// tcp opens a listener for what serves requests that came through the guard.
func (o opener) tcp(at ListenerConfig, serve serving) func(context.Context, *endpoint) error {
	return func(ctx context.Context, e *endpoint) error {
		if at.Address == Off {
			return nil
		}
		place := listen.Place{
			Key: "receive." + e.key, Address: at.Address, Meters: o.meters, Logger: o.intake.logger,
			Wrap: func(l net.Listener) net.Listener { return limitConnections(l, maxConnections) },
		}
		door, err := listen.Open(ctx, place, at.Security)
		if err != nil {
			return err
		}
		e.door = door
		door.Serve(func(l net.Listener, guard *listen.Guard) func(context.Context) error {
			return serve(l, guard, o.intake.logger).shutdown
		})
		return nil
	}
}

func (o opener) udp(at DatagramConfig, d *datagrams) func(context.Context, *endpoint) error {
	return func(ctx context.Context, e *endpoint) error {
		started, err := startUDP(ctx, at, d)
		if err != nil {
			return listen.Explain("receive."+e.key+".address", at.Address, err)
		}
		e.datagrams = started
		return nil
	}
}

// serving begins to serve a listener.
type serving func(l net.Listener, guard *listen.Guard, logger *slog.Logger) listener

// requests are served by a handler that is asked when the guard has no
// objection.
func (in *intake) requests(handler http.Handler, via transport, refuse refuser) serving {
	return func(l net.Listener, guard *listen.Guard, logger *slog.Logger) listener {
		let := handler
		if guard.Checks() {
			let = &guarded{guard: guard, next: handler, intake: in, via: via, refuse: refuse}
		}
		return serve(l, newHTTPServer(let, logger), logger)
	}
}

// questions are served as requests are. They export nothing, so those that the
// guard turns away are counted by it alone.
func questions(handler http.Handler) serving {
	return func(l net.Listener, guard *listen.Guard, logger *slog.Logger) listener {
		return serve(l, newHTTPServer(guard.Handler(handler), logger), logger)
	}
}
