package admin

import (
	"context"
	"encoding/json"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/silent"
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
	// Listeners are named on the status page, in this order.
	Listeners []Listener
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
	// Security is what protects it, for people; empty is nothing.
	Security string
}

// Admin serves what is known about a running collector.
type Admin struct {
	sources  Sources
	watch    *watch
	rates    rates
	own      *prometheus.Registry
	page     *template.Template
	began    time.Time
	logger   *slog.Logger
	listener net.Listener
	guard    *listen.Guard
	server   *http.Server
	silent   *silent.Connections
	quit     chan struct{}
	running  sync.WaitGroup
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
	if err := a.listen(ctx, cfg); err != nil {
		return nil, err
	}
	a.server = &http.Server{
		Handler:           a.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug), // What peers do wrong.
	}
	a.silent = silent.Of(a.server)
	a.running.Go(func() {
		if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("administration is no longer served", "error", err)
		}
	})
	a.running.Go(a.follow)
	return a, nil
}

func (a *Admin) listen(ctx context.Context, cfg Config) error {
	meters, err := listen.NewMeters(a.own)
	if err := errors.Join(err, a.own.Register(newCollector(a))); err != nil {
		return err
	}
	if a.guard, err = listen.NewGuard("admin", cfg.Security, meters, a.logger); err != nil {
		return err
	}
	inner, err := listen.TCP(ctx, "admin.address", cfg.Address)
	if err != nil {
		a.guard.Close()
		return err
	}
	a.listener = a.guard.Secure(inner)
	return nil
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

func (a *Admin) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"live": true})
	})
	mux.HandleFunc("GET /readyz", a.serveReadiness)
	mux.HandleFunc("GET /healthz", a.serveHealth)
	mux.Handle("GET /metrics", a.guard.Handler(promhttp.HandlerFor(prometheus.Gatherers{a.sources.Metrics, a.own}, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		ErrorHandling:       promhttp.ContinueOnError,
		ErrorLog:            slog.NewLogLogger(a.logger.Handler(), slog.LevelWarn),
		MaxRequestsInFlight: 4,
	})))
	mux.Handle("GET /{$}", a.guard.Handler(http.HandlerFunc(a.servePage)))
	return mux
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // The peer may be gone.
}

// Addr is where the listener is.
func (a *Admin) Addr() net.Addr { return a.listener.Addr() }

// Reconfigure makes cfg what counts from now on, as far as it can: not the
// address.
func (a *Admin) Reconfigure(cfg Config) { a.watch.setStallAfter(cfg.StallAfter) }

// Stopping makes the collector not ready, so that no new senders are sent to
// it.
func (a *Admin) Stopping() { a.watch.stop() }

// Shutdown ends all that was started. Requests in progress may take a second
// more, or until ctx ends; then they are cut off.
func (a *Admin) Shutdown(ctx context.Context) {
	close(a.quit)
	a.silent.Close()
	ctx, cancel := context.WithTimeout(ctx, graceTime)
	defer cancel()
	if a.server.Shutdown(ctx) != nil {
		_ = a.server.Close()
	}
	a.running.Wait()
	a.guard.Close()
}
