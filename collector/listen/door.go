package listen

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"sync"
	"time"
)

// lastCalls is how long requests that have begun under one rule may go on when
// there is another.
const lastCalls = 2 * time.Minute

// Together is all changes that there are, nil where there are none.
func Together(changes ...func()) func() {
	changes = slices.DeleteFunc(changes, func(change func()) bool { return change == nil })
	if len(changes) == 0 {
		return nil
	}
	return func() {
		for _, change := range changes {
			change()
		}
	}
}

// errClosed is a door that is asked for another rule after Shutdown.
var errClosed = errors.New("the listener has been closed")

// Place says where a door is.
type Place struct {
	// Key is the listener's in the configuration, such as receive.otlp.grpc, and
	// Address the host and port.
	Key, Address string
	// Wrap, where it is not nil, is put around the listener, below TLS.
	Wrap   func(net.Listener) net.Listener
	Meters *Meters
	Logger *slog.Logger
}

// Serve begins to serve a listener to those whom the guard lets in, and returns
// what ends that: it lets requests in progress end, or cuts them off when its
// context ends first.
type Serve func(l net.Listener, guard *Guard) (shutdown func(context.Context) error)

// Door is a TCP listener that keeps its port while the rule changes by which it
// lets in. What is served is begun anew with each rule: connections that were
// there before end as at a shutdown, each as soon as its requests have been
// answered, and new ones come under the new rule. So no connection is ever
// judged by a rule that it did not begin with, and none outlives its own.
//
// Methods are safe for concurrent use. A nil door is one that is off.
type Door struct {
	place Place
	inner *shared
	serve Serve // nil until Serve

	ctx    context.Context // of what is being ended; ends when it is cut off
	cancel context.CancelFunc
	ending sync.WaitGroup

	mu     sync.Mutex
	rule   Security
	guard  *Guard
	end    func(context.Context) error // nil until Serve
	closed bool
}

// Open reads what the rule's files hold, and listens. Connections wait for
// Serve; Shutdown is due in any case. ctx bounds the opening only.
func Open(ctx context.Context, at Place, rule Security) (*Door, error) {
	read, err := rule.prepare(at.Key)
	if err != nil {
		return nil, err
	}
	inner, err := TCP(ctx, at.Key+".address", at.Address)
	if err != nil {
		return nil, err
	}
	if at.Wrap != nil {
		inner = at.Wrap(inner)
	}
	d := &Door{place: at, inner: share(inner, at.Logger), rule: rule, guard: read.guard(at.Meters, at.Logger, lookEvery)}
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return d, nil
}

// Serve lets in from now on. It is called once.
func (d *Door) Serve(serve Serve) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.serve = serve
	d.end = serve(d.guard.Secure(d.inner.turn()), d.guard)
}

// Addr is where the door is, with the port that 0 became.
func (d *Door) Addr() net.Addr {
	if d == nil {
		return nil
	}
	return d.inner.Addr()
}

// Prepare reads what another rule's files hold, and returns what has the door
// go by that rule. Until it is called nothing has changed, and it need not be
// called. It is nil where there is nothing to do.
func (d *Door) Prepare(rule Security) (change func(), err error) {
	if d == nil {
		return nil, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return nil, errClosed
	case reflect.DeepEqual(rule, d.rule):
		return nil, nil
	}
	read, err := rule.prepare(d.place.Key)
	if err != nil {
		return nil, err
	}
	return func() { d.change(read) }, nil
}

func (d *Door) change(to prepared) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.guard.Close() // Its files count no more.
	end := d.end
	d.rule, d.guard = to.rule, to.guard(d.place.Meters, d.place.Logger, lookEvery)
	if d.serve == nil {
		return
	}
	d.end = d.serve(d.guard.Secure(d.inner.turn()), d.guard)
	d.ending.Go(func() {
		ctx, cancel := context.WithTimeout(d.ctx, lastCalls)
		defer cancel()
		if err := end(ctx); err != nil {
			d.place.Logger.Warn("requests from before a change of a listener's rule were cut off", "listener", d.place.Key, "error", err)
		}
	})
}

// Shutdown closes the listener and lets requests in progress end. When ctx ends
// first, they are cut off and its error is returned. A second one does nothing.
func (d *Door) Shutdown(ctx context.Context) (err error) {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	was, guard, end := d.closed, d.guard, d.end
	d.closed = true
	d.mu.Unlock()
	if was {
		return nil
	}
	defer context.AfterFunc(ctx, d.cancel)()
	_ = d.inner.Close() // It is given up in any case.
	if end != nil {
		err = end(ctx)
	}
	d.ending.Wait()
	d.cancel()
	guard.Close()
	return err
}
