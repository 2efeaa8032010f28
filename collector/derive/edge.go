package derive

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// edgeKey is the set of labels that makes an edge.
type edgeKey struct {
	client, server string
	kind           connection
}

// edge counts the requests of one key.
type edge struct {
	share
	requests, failed uint64
	server, client   histogram
	fromUser         bool // the client is the user's node
	rest             bool // it takes what goes beyond the limit

	labels  []*dto.LabelPair
	created *timestamppb.Timestamp
	seen    time.Time
}

// count takes in one request, by the spans of it that are known: at least one.
func (e *edge) count(s *scale, caller, callee *half) {
	weight, failed := 1.0, false
	for _, h := range [...]*half{caller, callee} {
		if h != nil { // Whoever was sampled less decided whether both are there.
			weight, failed = max(weight, h.weight), failed || h.failed
		}
	}
	n := e.take(weight)
	e.requests += n
	if failed {
		e.failed += n
	}
	if caller != nil {
		e.client.observe(s, &caller.span, n, weight)
		if callee == nil { // Of a database there is no other view.
			callee = caller
		}
	}
	e.server.observe(s, &callee.span, n, weight)
}

// edges has all edges, never more than its limit. Its owner guards it.
type edges struct {
	scale  *scale
	edges  map[edgeKey]*edge
	limit  int
	expiry time.Duration // 0: never
	swept  time.Time
	meters *meters

	last lone
}

// lone is the edge that the last request had of which one end is known.
type lone struct {
	client, server *string
	kind           connection
	edge           *edge // nil: none, or it may be another one now
}

func newEdges(cfg Config, m *meters) *edges {
	return &edges{scale: newScale(cfg), edges: map[edgeKey]*edge{}, limit: cfg.Graph.MaxEdges, expiry: cfg.ExpireAfter, meters: m}
}

// of finds or begins an edge. Beyond the limit it is the one that takes the rest.
func (x *edges) of(now time.Time, k edgeKey) *edge {
	e := x.edges[k]
	if e == nil {
		e = x.add(now, k)
	}
	e.seen = now
	return e
}

// between is the edge of a caller and its peer. Their names are the same texts
// as long as they are the same pointers.
func (x *edges) between(now time.Time, h *half) *edge {
	if l := &x.last; l.edge == nil || l.client != h.service || l.server != h.peer || l.kind != h.peerKind {
		e := x.of(now, edgeKey{*h.service, *h.peer, h.peerKind})
		if e.rest { // What goes there is counted each time.
			return e
		}
		*l = lone{h.service, h.peer, h.peerKind, e}
	}
	x.last.edge.seen = now
	return x.last.edge
}

func (x *edges) add(now time.Time, k edgeKey) *edge {
	regular := x.limit - connections
	if len(x.edges) >= regular && now.Sub(x.swept) >= sweepEvery {
		x.expire(now)
	}
	if len(x.edges) >= regular {
		x.meters.overflowedRequests.Inc()
		k.client, k.server = overflow, overflow
		if e := x.edges[k]; e != nil {
			return e
		}
	}
	e := &edge{created: timestamppb.New(now), labels: k.labels(), rest: k.client == overflow}
	x.edges[k] = e
	return e
}

// labels are sorted, as the registry wants them.
func (k edgeKey) labels() []*dto.LabelPair {
	return []*dto.LabelPair{label("client", k.client), label("connection_type", k.kind.label()), label("server", k.server)}
}

// renameUser gives the edges of the user's node another client. Edges of the
// overflow keep theirs.
func (x *edges) renameUser(name string) {
	x.last.edge = nil
	for k, e := range x.edges {
		if !e.fromUser || e.rest {
			continue
		}
		delete(x.edges, k)
		k.client = name
		e.labels = k.labels()
		x.edges[k] = e
	}
}

// expire forgets the edges that no request had for a while.
func (x *edges) expire(now time.Time) {
	x.swept = now
	if x.expiry == 0 {
		return
	}
	x.last.edge = nil
	for k, e := range x.edges {
		if now.Sub(e.seen) > x.expiry {
			delete(x.edges, k)
			x.meters.expiredEdges.Inc()
		}
	}
}

// Describe implements prometheus.Collector.
func (g *graph) Describe(ch chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{g.requests, g.failed, g.server, g.client} {
		ch <- desc
	}
}

// Collect implements prometheus.Collector.
func (g *graph) Collect(ch chan<- prometheus.Metric) {
	for _, m := range g.snapshot(time.Now()) {
		ch <- m
	}
}

// snapshot copies all edges, so that nobody waits for a slow scrape. An end
// that sends no spans has no histogram.
func (g *graph) snapshot(now time.Time) []prometheus.Metric {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.edges.expire(now)
	metrics := make([]prometheus.Metric, 0, 4*len(g.edges.edges))
	for _, e := range g.edges.edges {
		counter := func(n uint64) *dto.Counter { return &dto.Counter{Value: new(float64(n)), CreatedTimestamp: e.created} }
		metrics = append(metrics,
			&metric{desc: g.requests, labels: e.labels, counter: counter(e.requests)},
			&metric{desc: g.failed, labels: e.labels, counter: counter(e.failed)},
			&metric{desc: g.server, labels: e.labels, histogram: e.server.write(g.edges.scale, e.created)})
		if e.client.count > 0 {
			metrics = append(metrics, &metric{desc: g.client, labels: e.labels, histogram: e.client.write(g.edges.scale, e.created)})
		}
	}
	return metrics
}

// pending is how many spans wait for the one at the other end.
func (g *graph) pending() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return float64(g.pairs.held)
}

// size is how many edges there are.
func (g *graph) size() float64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return float64(len(g.edges.edges))
}
