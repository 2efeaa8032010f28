// Package tracegen makes realistic traces at a given rate, sends them, and
// accounts for each of them: what was made was acknowledged, rejected or
// failed, and the report says how many of each.
//
// The rate is an open loop: traces are due by the clock, whatever the receiver
// does, and latency counts from when a trace was due, so that a receiver that
// stalls cannot hide it.
package tracegen

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/net/http/httpguts"

	"github.com/waybill-dev/waybill/tracegen/pace"
	"github.com/waybill-dev/waybill/tracegen/recording"
	"github.com/waybill-dev/waybill/tracegen/topology"
)

// Config says what to make and where to send it.
type Config struct {
	// Endpoint is a base URL, as in http://127.0.0.1:4318, and for gRPC
	// host:port, or a URL whose scheme says whether to use TLS.
	Endpoint string
	// Others are further targets, and Routing says which request goes where;
	// empty is RoundRobin.
	Others   []string
	Routing  Routing
	Protocol Protocol
	// Connections is how many there are to each target; 0 is one for gRPC, and
	// one for each worker over HTTP.
	Connections int
	// Compression is of requests; empty is none.
	Compression Compression
	// Headers go with each request.
	Headers map[string]Secret
	// TLS is for endpoints that begin with https://.
	TLS TLS
	// Rate is how many units are due each second; 0 is as fast as they are
	// acknowledged.
	Rate float64
	// Unit is what Rate counts: Traces, Spans or Bytes.
	Unit Unit
	// Pace is how the rate changes, as pace.Parse reads it; empty is constant.
	Pace string
	// Poisson has traces come at random distances, as independent users do;
	// otherwise they come at regular ones.
	Poisson bool
	// InFlight has so many requests under way all the time, in place of a
	// rate: a closed loop. It stands for Workers.
	InFlight int
	// Traces and Duration end the run, whichever is first; 0 is no limit, but
	// one of them must be given.
	Traces   uint64
	Duration time.Duration
	// Workers is how many requests may be under way at once.
	Workers int
	// Batch is how many traces one request may hold; it holds fewer when fewer
	// are due.
	Batch int
	// Timeout bounds one request with all its repetitions. What is not
	// acknowledged by then has failed.
	Timeout time.Duration
	// Seed makes the same traces again, but for their times.
	Seed uint64
	// Epoch, where it is not zero, is when every trace ends; otherwise each
	// ends when it is made. With it a seed makes the same bytes again.
	Epoch time.Time
	// Topology is what the traces are of; nil is the built-in shop.
	Topology *topology.Topology
	// Logs sends what the topology's operations write, too, and Metrics what its
	// services measure, every MetricInterval (0 is ten seconds) and at the end.
	// Both go by OTLP.
	Logs, Metrics  bool
	MetricInterval time.Duration
	// Recording has its traces sent again in place of a topology's: each Copies
	// times (0 is once), with times shifted and ids renewed. With Speed above 0
	// they come as they came, so much faster, and Rate, Pace and Unit do not
	// count, and the run ends with the last. With Speed 0 they come as Rate has
	// it, again and again.
	Recording *recording.Recording
	Copies    int
	Speed     float64
	// Registerer, where there is one, has the run's metrics while it runs.
	Registerer prometheus.Registerer
}

func (c Config) topology() (*topology.Topology, error) {
	if c.Topology != nil {
		return c.Topology, nil
	}
	return topology.Builtin("shop")
}

func (c Config) endpoints() []string { return append([]string{c.Endpoint}, c.Others...) }

// Unit is what a rate counts.
type Unit string

// The units. Bytes are of encoded spans, before compression.
const (
	Traces Unit = "traces"
	Spans  Unit = "spans"
	Bytes  Unit = "bytes"
)

// DefaultConfig sends ten traces a second for ten seconds to a collector on
// this machine.
func DefaultConfig() Config {
	return Config{
		Endpoint: "http://127.0.0.1:4318", Protocol: HTTP,
		Rate: 10, Unit: Traces, Duration: 10 * time.Second, Workers: 4, Batch: 25, Timeout: 30 * time.Second, Seed: 1,
	}
}

const (
	maxWorkers = 1024
	maxTargets = 64
)

// Validate reports all that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	errs = append(errs, c.validateSending()...)
	if !(c.Rate >= 0 && c.Rate <= 1e12) {
		wrong("rate %v: want 0 to 1e12 units a second", c.Rate)
	}
	if c.Unit != Traces && c.Unit != Spans && c.Unit != Bytes {
		wrong("unit %q: want %q, %q or %q", c.Unit, Traces, Spans, Bytes)
	}
	if _, err := pace.Parse(c.Pace, c.Rate); err != nil && c.Rate > 0 {
		errs = append(errs, err)
	}
	if c.Rate == 0 && (c.Pace != "" || c.Poisson) {
		wrong("a pace, or Poisson arrivals, need a rate above 0")
	}
	if c.InFlight < 0 || c.InFlight > maxWorkers {
		wrong("%d requests in flight: want 1 to %d", c.InFlight, maxWorkers)
	}
	if c.InFlight > 0 && c.Rate > 0 {
		wrong("a rate and requests in flight are both given: the loop is either open or closed")
	}
	if c.Duration < 0 {
		wrong("duration %v is negative", c.Duration)
	}
	if c.Traces == 0 && c.Duration == 0 && (c.Recording == nil || c.Speed == 0) {
		wrong("neither the number of traces nor a duration is given: the run would never end")
	}
	if c.Workers < 1 || c.Workers > maxWorkers {
		wrong("%d workers: want 1 to %d", c.Workers, maxWorkers)
	}
	if c.Batch < 1 || c.Batch > 10_000 {
		wrong("batch of %d traces: want 1 to 10,000", c.Batch)
	}
	if c.Recording != nil {
		errs = append(errs, c.validateReplay()...)
	}
	if c.MetricInterval < 0 {
		wrong("metric interval %v is negative", c.MetricInterval)
	}
	if (c.Logs || c.Metrics) && (c.Recording != nil || dialects[c.Protocol].tracesOnly) {
		wrong("logs and metrics go by OTLP, and are a topology's: neither a recording nor %s has them", c.Protocol)
	}
	if c.Timeout <= 0 {
		wrong("timeout %v is not positive", c.Timeout)
	}
	return errors.Join(errs...)
}

// validateSending reports what is wrong with where and how to send.
func (c Config) validateSending() []error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, ok := dialects[c.Protocol]; !ok {
		wrong("protocol %q: want one of %q", c.Protocol, Protocols())
	}
	switch c.Routing {
	case "", RoundRobin, Failover, Mirror:
	default:
		wrong("routing %q: want %q, %q or %q", c.Routing, RoundRobin, Failover, Mirror)
	}
	switch c.Compression {
	case "", NoCompression, Gzip, Zstd:
	default:
		wrong("compression %q: want %q, %q or %q", c.Compression, NoCompression, Gzip, Zstd)
	}
	if c.Connections < 0 || c.Connections > maxWorkers {
		wrong("%d connections: want 1 to %d", c.Connections, maxWorkers)
	}
	if len(c.Others) >= maxTargets {
		wrong("%d targets: want %d at most", len(c.Others)+1, maxTargets)
	}
	for name, value := range c.Headers {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(string(value)) {
			wrong("header %q: its name or its value has letters that no header has", name)
		}
	}
	return errs
}

// maxCopies and maxSpeed bound a replay.
const (
	maxCopies = 10_000
	maxSpeed  = 1e6
)

func (c Config) validateReplay() []error {
	var errs []error
	if len(c.Recording.Traces()) == 0 {
		errs = append(errs, errors.New("the recording has no traces"))
	}
	if c.Copies < 0 || c.Copies > maxCopies {
		errs = append(errs, fmt.Errorf("%d copies: want 1 to %d", c.Copies, maxCopies))
	}
	if !(c.Speed >= 0 && c.Speed <= maxSpeed) {
		errs = append(errs, fmt.Errorf("speed %v: want 0 to %v", c.Speed, maxSpeed))
	}
	if c.Speed > 0 && (c.Rate > 0 || c.Pace != "" || c.Poisson || c.InFlight > 0) {
		errs = append(errs, errors.New("a replay keeps the recorded pace, or another, but not both"))
	}
	return errs
}

// Run makes and sends traces until the configuration's limits or ctx end it,
// and then waits for the requests under way. Where progress is not nil, it is
// called about once a second, from one goroutine. An error means that nothing
// could be sent at all; what a receiver refuses is in the report.
func Run(ctx context.Context, cfg Config, progress func(Report)) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, err
	}
	if cfg.InFlight > 0 {
		cfg.Workers = cfg.InFlight
	}
	if cfg.MetricInterval == 0 {
		cfg.MetricInterval = 10 * time.Second
	}
	newMaker, err := cfg.makers()
	if err != nil {
		return Report{}, err
	}
	schedule, err := newSchedule(cfg, weight(newMaker(), cfg))
	if err != nil {
		return Report{}, err
	}
	account := newAccount(time.Now(), schedule.expected)
	meter, err := cfg.meter(account.began)
	if err != nil {
		return Report{}, err
	}
	route, err := newRoute(cfg, account)
	if err != nil {
		return Report{}, err
	}
	account.targets = route.counts
	if cfg.Registerer != nil {
		m := metrics{account}
		if err := cfg.Registerer.Register(m); err != nil {
			_ = route.close() // it has sent nothing
			return Report{}, fmt.Errorf("register metrics: %w", err)
		}
		defer cfg.Registerer.Unregister(m)
	}
	plan := newPlan(schedule, cfg.Batch, account.began)

	c := courier{cfg, route, account}
	var workers sync.WaitGroup
	for range cfg.Workers {
		workers.Go(func() {
			w := worker{courier: c, plan: plan, maker: newMaker()}
			w.run(ctx)
		})
	}
	stopped, measured := make(chan struct{}), make(chan struct{})
	var reporter sync.WaitGroup
	reporter.Go(func() { tell(account, progress, stopped) })
	var measuring sync.WaitGroup
	if meter != nil {
		measuring.Go(func() { c.measure(ctx, meter, measured) })
	}
	workers.Wait()
	close(measured)
	measuring.Wait()
	close(stopped)
	reporter.Wait()
	over := time.Now()
	account.tick(over, true)
	return account.report(over), route.close()
}

// makers returns what makes a maker for each worker.
func (c Config) makers() (func() maker, error) {
	if c.Recording != nil {
		t, err := newTape(c.Recording, c.Copies)
		return func() maker { return &player{tape: t} }, err
	}
	t, err := c.topology()
	if err != nil {
		return nil, err
	}
	p := newProgram(t)
	return func() maker { return newEncoder(p) }, nil
}

// meter is nil where nothing is measured.
func (c Config) meter(now time.Time) (*meter, error) {
	if !c.Metrics {
		return nil, nil
	}
	t, err := c.topology()
	if err != nil {
		return nil, err
	}
	return newMeter(t, newProgram(t), c.Seed, now)
}

// tell goes on with the timeline, and reports, each second until it is stopped.
func tell(account *account, progress func(Report), stopped <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-stopped:
			return
		case now := <-ticker.C:
			account.tick(now, false)
			if progress != nil {
				progress(account.report(now))
			}
		}
	}
}
