package derive

import (
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/waybill-dev/waybill/collector/derive/push"
	"github.com/waybill-dev/waybill/collector/listen"
)

const (
	// minSeries leaves room for the overflow series and something beside them.
	minSeries = 100
	// maxPending bounds what the graph may be told to remember.
	maxPending = 10_000_000
	// maxBuckets bounds what each series costs.
	maxBuckets = 64
)

// Config says where derived metrics are served, what they look like, and how
// many there may be.
type Config struct {
	// Address is the host and port of the listener that Prometheus scrapes;
	// with "off" there is none. Where nothing is pushed either, nothing is
	// derived.
	Address string `yaml:"address"`

	listen.Security

	// MaxSeries bounds the sets of labels. Spans beyond it count in overflow
	// series, which are part of the bound.
	MaxSeries int `yaml:"max_series"`
	// MaxSeriesPerService bounds the sets of labels of one service, so that
	// one with endless names does not take the others' room. Beyond it the
	// service's spans count under its own name and that of the overflow.
	MaxSeriesPerService int `yaml:"max_series_per_service"`
	// ExpireAfter forgets a set of labels that no span had for so long. Zero
	// keeps them for ever.
	ExpireAfter time.Duration `yaml:"expire_after"`
	// Names chooses the names of the RED metrics and of their labels.
	Names Names `yaml:"names"`
	// Dimensions are keys of attributes that become further labels of the RED
	// metrics: the span's where it has the key, else the resource's.
	Dimensions []string `yaml:"dimensions"`
	// Exclude has the spans that RED metrics leave out: those for which one of
	// the rules holds.
	Exclude []Rule `yaml:"exclude"`
	// Buckets are the upper bounds of the classic histograms, in seconds.
	Buckets []float64 `yaml:"buckets"`
	// NativeHistograms adds native buckets to the classic ones.
	NativeHistograms bool `yaml:"native_histograms"`
	// AdjustCounts has a span that was sampled count for those that were not,
	// by the threshold in its tracestate.
	AdjustCounts bool `yaml:"adjust_counts"`
	// Graph is who calls whom.
	Graph GraphConfig `yaml:"graph"`
	// RemoteWrite is for collectors that Prometheus cannot scrape.
	RemoteWrite push.RemoteWrite `yaml:"remote_write"`
	// OTLP is the same for backends that speak it.
	OTLP push.OTLP `yaml:"otlp"`
}

// GraphConfig says how the service graph is made.
type GraphConfig struct {
	Enabled bool `yaml:"enabled"`
	// Wait is how long a span waits for the one at the other end of its
	// request, by the time at which the collector received both.
	Wait time.Duration `yaml:"wait"`
	// MaxPending bounds the spans that wait. Beyond it the oldest are evicted.
	MaxPending int `yaml:"max_pending"`
	// MaxEdges bounds the pairs of services. Requests beyond it count in
	// overflow edges, which are part of the bound.
	MaxEdges int `yaml:"max_edges"`
	// PeerAttributes name what sends no spans itself: a database, a queue, a
	// service without instrumentation. The first that a span has counts. A
	// database that would be named by its system, and has a db.namespace but no
	// server.address, is named by both, as in sqlite/orders.
	PeerAttributes []string `yaml:"peer_attributes"`
	// UserNode is the name of whoever calls a service without sending spans.
	// While a service of that name sends spans, " (virtual)" is added to it.
	UserNode string `yaml:"user_node"`
}

// Names is a set of names of the RED metrics.
type Names string

// The sets of names.
const (
	// NamesJaeger are those that Jaeger's Monitor tab looks for.
	NamesJaeger Names = "jaeger"
	// NamesGrafana are those that the table beside Grafana's service graph
	// looks for.
	NamesGrafana Names = "grafana"
)

// DefaultConfig serves on the loopback address, up to 10,000 sets of labels
// that live for a quarter of an hour, and a graph of up to 2,000 edges.
func DefaultConfig() Config {
	return Config{
		Address: "127.0.0.1:8889", MaxSeries: 10_000, MaxSeriesPerService: 2000, ExpireAfter: 15 * time.Minute,
		Names: NamesJaeger, NativeHistograms: true, AdjustCounts: true,
		Buckets: []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		Graph: GraphConfig{
			Enabled: true, Wait: 10 * time.Second, MaxPending: 100_000, MaxEdges: 2000,
			PeerAttributes: []string{
				"service.peer.name", "peer.service", "db.system.name", "db.system", "messaging.system", "server.address", "net.peer.name",
			},
			UserNode: "user",
		},
		RemoteWrite: push.DefaultRemoteWrite(), OTLP: push.DefaultOTLP(),
	}
}

// Enabled says whether anything is to be derived.
func (c Config) Enabled() bool { return c.scraped() || c.RemoteWrite.Enabled() || c.OTLP.Enabled() }

func (c Config) scraped() bool { return c.Address != "off" }

// Validate reports all that is wrong with the configuration, by its keys.
func (c Config) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.scraped() {
		if err := listen.CheckAddress(c.Address); err != nil {
			wrong("address: %w", err)
		}
		errs = append(errs, c.Security.Validate(""))
	}
	if c.MaxSeries < minSeries {
		wrong("max_series: %d: want at least %d", c.MaxSeries, minSeries)
	}
	if c.MaxSeriesPerService < 1 {
		wrong("max_series_per_service: %d: want at least 1", c.MaxSeriesPerService)
	}
	if c.ExpireAfter < 0 {
		wrong("expire_after: %v is negative", c.ExpireAfter)
	}
	if c.Names != NamesJaeger && c.Names != NamesGrafana {
		wrong("names: %q: want %s or %s", c.Names, NamesJaeger, NamesGrafana)
	}
	errs = append(errs, c.validateBuckets(), validateDimensions(c.Dimensions), c.Graph.validate(), c.RemoteWrite.Validate(), c.OTLP.Validate())
	for i, rule := range c.Exclude {
		errs = append(errs, rule.validate(fmt.Sprintf("exclude[%d]", i)))
	}
	return errors.Join(errs...)
}

func (c Config) validateBuckets() error {
	if len(c.Buckets) > maxBuckets {
		return fmt.Errorf("buckets: %d of them: want at most %d", len(c.Buckets), maxBuckets)
	}
	if len(c.Buckets) == 0 && !c.NativeHistograms {
		return errors.New("buckets: none, and native_histograms are off: durations would have no histogram at all")
	}
	before := 0.0
	for _, bound := range c.Buckets {
		if !(bound > before) || math.IsInf(bound, 1) {
			return fmt.Errorf("buckets: %v after %v: want bounds in seconds that are above 0 and rise", bound, before)
		}
		before = bound
	}
	return nil
}

func (c GraphConfig) validate() error {
	var errs []error
	if n := c.MaxPending; n < 1 || n > maxPending {
		errs = append(errs, fmt.Errorf("graph.max_pending: %d: want 1 to %d", n, maxPending))
	}
	if c.MaxEdges < minSeries {
		errs = append(errs, fmt.Errorf("graph.max_edges: %d: want at least %d", c.MaxEdges, minSeries))
	}
	if c.UserNode == "" || len(c.UserNode) > maxLabel || !utf8.ValidString(c.UserNode) {
		errs = append(errs, fmt.Errorf("graph.user_node: %q: want 1 to %d bytes of UTF-8", c.UserNode, maxLabel))
	}
	if c.Wait <= 0 {
		errs = append(errs, fmt.Errorf("graph.wait: %v is not positive", c.Wait))
	}
	return errors.Join(errs...)
}
