// Package viewer shows the traces that a journal holds: pages for a browser
// and Jaeger's query API for tools. It keeps offsets into the journal, never
// spans; a trace is read back when somebody opens it.
package viewer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/page"
	"github.com/waybill-dev/waybill/viewer/query"
)

// Viewer indexes one journal and serves what it finds. Its methods are safe
// for concurrent use.
type Viewer struct {
	logger   *slog.Logger
	listener net.Listener
	door     *listen.Guard
	server   *http.Server
	reader   journal.Reader
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// Board is what visitors may switch on and off.
type Board = page.Board

// Switch is one of a board's.
type Switch = page.Switch

// Option adds to what Start makes.
type Option func(*additions)

type additions struct{ board *Board }

// WithBoard adds a page with switches.
func WithBoard(board Board) Option { return func(a *additions) { a.board = &board } }

// Start opens an ephemeral reader of the journal, begins to index from its
// oldest record, and listens. The journal stays the caller's: close it after
// Shutdown has returned. When ctx ends, indexing ends; Shutdown is still due.
func Start(ctx context.Context, cfg Config, j journal.Journal, logger *slog.Logger, options ...Option) (*Viewer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("viewer configuration: %w", err)
	}
	var added additions
	for _, add := range options {
		add(&added)
	}
	x := index.New(cfg.limits())
	engine := query.New(x, j)
	own := prometheus.NewRegistry()
	mux, err := newMux(engine, added.board, own, logger)
	if err != nil {
		return nil, fmt.Errorf("viewer: %w", err)
	}
	reader, err := j.Reader("")
	if err != nil {
		return nil, fmt.Errorf("viewer: read the journal: %w", err)
	}
	listener, door, err := open(ctx, cfg, own, logger)
	if err != nil {
		_ = reader.Close() // it holds nothing that could be lost
		return nil, err
	}
	v := &Viewer{logger: logger, listener: listener, door: door, reader: reader}
	v.server = newServer(secure(newGuard(listener.Addr(), cfg.Hosts, entrance(door, mux))), logger)
	feeding, stop := context.WithCancel(ctx)
	v.stop = stop
	f := &feed{journal: j, reader: reader, index: x, logger: logger, report: engine.Report}
	v.running.Go(func() { f.run(feeding) })
	v.running.Go(func() {
		if err := v.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("viewer stopped serving", "error", err)
		}
	})
	return v, nil
}

// Addr is where the viewer listens; it tells the port that ":0" became.
func (v *Viewer) Addr() net.Addr { return v.listener.Addr() }

// Handler is what the listener serves, for those who mount it elsewhere.
func (v *Viewer) Handler() http.Handler { return v.server.Handler }

// Shutdown stops listening, lets requests in progress end, and ends indexing.
// It returns when nothing of the viewer runs any more; when ctx ends first,
// requests in progress are cut off and its error is returned.
func (v *Viewer) Shutdown(ctx context.Context) error {
	err := v.server.Shutdown(ctx)
	if err != nil {
		_ = v.server.Close() // the error that counts is Shutdown's
	}
	v.stop()
	v.running.Wait()
	v.door.Close()
	if closed := v.reader.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("shut down viewer: %w", err)
	}
	return nil
}
