// Package viewer shows the traces that a journal holds: pages for a browser
// and Jaeger's query API for tools. It keeps offsets into the journal, never
// spans; a trace is read back when somebody opens it.
package viewer

import (
	"context"
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
	logger  *slog.Logger
	door    *listen.Door
	hosts   []string
	mux     *http.ServeMux
	reader  journal.Reader
	stop    context.CancelFunc
	running sync.WaitGroup
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
	door, err := open(ctx, cfg, own, logger)
	if err != nil {
		_ = reader.Close() // it holds nothing that could be lost
		return nil, err
	}
	v := &Viewer{logger: logger, door: door, hosts: cfg.Hosts, mux: mux, reader: reader}
	v.warnOfOpenDoor()
	feeding, stop := context.WithCancel(ctx)
	v.stop = stop
	f := &feed{journal: j, reader: reader, index: x, logger: logger, report: engine.Report}
	v.running.Go(func() { f.run(feeding) })
	door.Serve(v.serve)
	return v, nil
}

// Addr is where the viewer listens; it tells the port that ":0" became.
func (v *Viewer) Addr() net.Addr { return v.door.Addr() }

// Prepare reads what another rule for the listener needs, and returns what has
// the viewer go by it on the same port, nil where there is nothing to do. Until
// that is called nothing has changed, and it need not be called. Connections
// from before then end as at a shutdown.
func (v *Viewer) Prepare(rule listen.Security) (change func(), err error) {
	if err := rule.Validate("viewer."); err != nil {
		return nil, err
	}
	turn, err := v.door.Prepare(rule)
	if turn == nil || err != nil {
		return nil, err
	}
	return func() { turn(); v.warnOfOpenDoor() }, nil
}

// Shutdown stops listening, lets requests in progress end, and ends indexing.
// It returns when nothing of the viewer runs any more; when ctx ends first,
// requests in progress are cut off and its error is returned.
func (v *Viewer) Shutdown(ctx context.Context) error {
	err := v.door.Shutdown(ctx)
	v.stop()
	v.running.Wait()
	if closed := v.reader.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("shut down viewer: %w", err)
	}
	return nil
}
