package admin

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/listen"
)

const (
	// lookEvery is how often the readers are looked at.
	lookEvery = time.Second
	// graceTime is what Shutdown gives to requests in progress.
	graceTime = time.Second
)

// Sources are what the collector is asked about.
type Sources struct {
	Journal journal.Journal
	// Chosen is what forwarders of traces read instead where traces are sampled;
	// nil where they are not.
	Chosen journal.Journal
	// Metrics are the collector's own.
	Metrics prometheus.Gatherer
	// Listeners are named on the status page, in this order; nil means none.
	Listeners func() []Listener
	// Destinations tells how forwarding is doing; nil where nothing is forwarded.
	Destinations func() []Destination
	// Redacting says whether anything is redacted before the journal; nil means
	// no.
	Redacting func() bool
	// LastRefusal is when and why the journal did not take a request last.
	LastRefusal func() Refusal
	// LastReload is when and why a new configuration was not taken last; nil
	// means never.
	LastReload func() Refusal
}

// Listener is an address at which the collector can be reached.
type Listener struct {
	// Key is the listener's in the configuration, Name is for people.
	Key, Name string
	Addr      net.Addr // nil: off
	// State is how it is protected.
	listen.State
}

// Admin serves what is known about a running collector.
type Admin struct {
	sources Sources
	watch   *watch
	rates   rates
	own     *prometheus.Registry
	page    *template.Template
	began   time.Time
	logger  *slog.Logger
	door    *listen.Door
	quit    chan struct{}
	running sync.WaitGroup
}

// Start listens and begins to watch the readers. ctx bounds the start only;
// Shutdown ends what was started. cfg must be enabled.
func Start(ctx context.Context, cfg Config, sources Sources, logger *slog.Logger) (*Admin, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a := &Admin{
		sources: sources,
		watch:   newWatch(cfg.StallAfter),
		own:     prometheus.NewRegistry(),
		page:    newPage(),
		began:   time.Now(),
		logger:  logger,
		quit:    make(chan struct{}),
	}
	if err := a.open(ctx, cfg); err != nil {
		return nil, err
	}
	a.door.Serve(a.serve)
	a.running.Go(a.follow)
	return a, nil
}

func (a *Admin) open(ctx context.Context, cfg Config) error {
	meters, err := listen.NewMeters(a.own)
	if err := errors.Join(err, a.own.Register(newCollector(a))); err != nil {
		return err
	}
	a.door, err = listen.Open(ctx, listen.Place{Key: "admin", Address: cfg.Address, Meters: meters, Logger: a.logger}, cfg.Security)
	return err
}

// follow looks at the readers even when nobody asks, so that it is known since
// when one stands still.
func (a *Admin) follow() {
	look, sample := time.NewTicker(lookEvery), time.NewTicker(sampleEvery)
	defer look.Stop()
	defer sample.Stop()
	a.rates.take(time.Now(), a.sources.Metrics)
	for {
		a.watch.look(time.Now(), a.sources.stats()...)
		select {
		case <-look.C:
		case now := <-sample.C:
			a.rates.take(now, a.sources.Metrics)
		case <-a.quit:
			return
		}
	}
}

// Addr is where the listener is.
func (a *Admin) Addr() net.Addr { return a.door.Addr() }

// Protection is how the listener is protected.
func (a *Admin) Protection() listen.State { return a.door.State() }

// Prepare reads what another rule for the listener needs, and returns what has
// it count, nil where there is nothing to do. Until that is called nothing has
// changed.
func (a *Admin) Prepare(rule listen.Security) (change func(), err error) { return a.door.Prepare(rule) }

// Reconfigure makes cfg what counts from now on, as far as it can: not the
// address, and for the listener's rule there is Prepare.
func (a *Admin) Reconfigure(cfg Config) { a.watch.setStallAfter(cfg.StallAfter) }

// Stopping makes the collector not ready, so that no new senders are sent to
// it.
func (a *Admin) Stopping() { a.watch.stop() }

// Shutdown ends all that was started. Requests in progress may take a second
// more, or until ctx ends; then they are cut off.
func (a *Admin) Shutdown(ctx context.Context) {
	close(a.quit)
	ctx, cancel := context.WithTimeout(ctx, graceTime)
	defer cancel()
	_ = a.door.Shutdown(ctx) // What is cut off is no fault.
	a.running.Wait()
}
