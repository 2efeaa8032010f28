package receive

import (
	"context"
	"log/slog"
	"net"
	"net/http"

	"github.com/waybill-dev/waybill/collector/listen"
)

// endpoint is one listener. Those that are off are there, too.
type endpoint struct {
	key, name string
	listener
	guard    *listen.Guard // nil: everybody is let in
	security listen.Security
}

// listener is a *server or a *datagrams; nil when it is off.
type listener interface {
	addr() net.Addr
	shutdown(ctx context.Context) error
}

func (e endpoint) close(ctx context.Context) error {
	err := e.shutdown(ctx)
	if e.guard != nil {
		e.guard.Close()
	}
	return err
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
			e.listener = (*server)(nil)
			return nil
		}
		guard, err := listen.NewGuard("receive."+e.key, at.Security, o.meters, o.intake.logger)
		if err != nil {
			return err
		}
		inner, err := listen.TCP(ctx, "receive."+e.key+".address", at.Address)
		if err != nil {
			guard.Close()
			return err
		}
		e.guard, e.security = guard, at.Security
		e.listener = serve(guard.Secure(limitConnections(inner, maxConnections)), guard, o.intake.logger)
		return nil
	}
}

func (o opener) udp(at DatagramConfig, d *datagrams) func(context.Context, *endpoint) error {
	return func(ctx context.Context, e *endpoint) error {
		started, err := startUDP(ctx, at, d)
		if err != nil {
			return listen.Explain("receive."+e.key+".address", at.Address, err)
		}
		e.listener = started
		return nil
	}
}

// serving begins to serve a listener.
type serving func(l net.Listener, guard *listen.Guard, logger *slog.Logger) listener

// requests are served by a handler that is asked when the guard has no
// objection.
func (in *intake) requests(handler http.Handler, via transport, refuse refuser) serving {
	return func(l net.Listener, guard *listen.Guard, logger *slog.Logger) listener {
		if guard.Checks() {
			handler = &guarded{guard: guard, next: handler, intake: in, via: via, refuse: refuse}
		}
		return serve(l, newHTTPServer(handler, logger), logger)
	}
}
