package derive

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/wire"
)

// maxLinks bounds for how many producers' spans one consumer's may wait.
const maxLinks = 32

// graph counts who calls whom: requests whose two spans came, and those of
// which one end sends no spans, but is known by the other one. It implements
// prometheus.Collector and is safe for concurrent use; whoever calls observe,
// or lets time pass, holds mu.
//
// The viewer's index pairs spans too, for its map. It remembers whole traces,
// to know spans that come twice; here one request at a time is remembered, and
// forgotten when it is paired, so they share the idea and no code.
type graph struct {
	requests, failed, server, client *prometheus.Desc
	meters                           *meters

	mu     sync.Mutex
	now    time.Time // when what is at hand is counted
	pairs  *pairs
	edges  *edges
	peers  peers
	texts  interned
	half   half        // of the span at hand
	recent [32]*string // peers, where nameOf looks first
	// user is the node of whoever calls without sending spans; taken is the
	// name that a service would take from it.
	user, taken string
}

func newGraph(cfg Config, m *meters, texts interned) *graph {
	labels := []string{"client", "server", "connection_type"}
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("traces_service_graph_request_"+name, help, labels, nil)
	}
	g := &graph{
		requests: desc("total", "Requests from client to server."),
		failed:   desc("failed_total", "Requests that failed, as either end saw it."),
		server:   desc("server_seconds", "How long requests took as the server saw it, in seconds."),
		client:   desc("client_seconds", "How long requests took as the client saw it, in seconds."),
		meters:   m,
		pairs:    newPairs(cfg.Graph),
		edges:    newEdges(cfg, m),
		peers:    newPeers(cfg.Graph.PeerAttributes),
		texts:    texts,
		user:     cfg.Graph.UserNode,
		taken:    cfg.Graph.UserNode,
	}
	g.pairs.meet, g.pairs.lone = g.meet, g.lone
	g.pairs.evicted = func(h *half) {
		if !h.answered {
			m.evicted.Inc()
		}
	}
	return g
}

// observe takes in one span, which stands for weight spans. The view is not kept.
func (g *graph) observe(service *string, s *wire.Span, e *exemplar, weight float64) {
	if s.Kind < wire.KindServer || s.Kind > wire.KindConsumer || !s.HasIDs() {
		return
	}
	h := &g.half
	*h = half{
		service: service, weight: weight, failed: s.StatusCode == wire.StatusError, span: *e,
		message: s.Kind == wire.KindProducer || s.Kind == wire.KindConsumer,
	}
	switch s.Kind {
	case wire.KindServer:
		g.called(h, s)
	case wire.KindConsumer:
		g.consumer(h, s)
	default:
		g.caller(h, s)
	}
}

// caller has a span wait for the one that it caused. A database sends none, so
// what is known is all there will be.
func (g *graph) caller(h *half, s *wire.Span) {
	h.caller, h.at = true, end{s.TraceID, s.SpanID}
	far := g.peers.of(s)
	if h.peerKind = far.kind; len(far.name) > 0 {
		h.peer = g.nameOf(far.name)
	}
	if h.message {
		h.peerKind = message
	}
	if far.kind == database && h.peer != nil {
		g.lone(h)
		return
	}
	g.pairs.add(h)
}

// nameOf is texts.of, quicker for names that it had a moment ago: most calls are
// to the same few peers. The name is not empty.
func (g *graph) nameOf(name []byte) *string {
	at := &g.recent[(len(name)+int(name[0])+int(name[len(name)-1]))%len(g.recent)]
	if *at == nil || **at != string(name) {
		*at = g.texts.of(name)
	}
	return *at
}

// called has a span wait for its parent. Without one, somebody has called who
// sends no spans.
func (g *graph) called(h *half, s *wire.Span) {
	if s.ParentID == (wire.SpanID{}) {
		g.fromUser(h)
		return
	}
	h.at = end{s.TraceID, s.ParentID}
	g.pairs.add(h)
}

// consumer has a span wait for those that it links to, and for its parent.
func (g *graph) consumer(h *half, s *wire.Span) {
	parent := end{s.TraceID, s.ParentID}
	hasParent := parent.span != wire.SpanID{}
	links := 0
	for link := range s.Links() {
		h.at = end{link.TraceID, link.SpanID}
		if h.at == parent || h.at.span == (wire.SpanID{}) || h.at.trace == (wire.TraceID{}) {
			continue
		}
		if links++; links > maxLinks {
			g.meters.evicted.Inc()
			continue
		}
		g.pairs.add(h)
	}
	switch {
	case hasParent:
		h.at, h.doubtful = parent, links > 0
		g.pairs.add(h)
	case links == 0:
		far := g.peers.of(s)
		if len(far.name) == 0 {
			g.fromUser(h)
			return
		}
		g.edges.of(g.now, edgeKey{*g.texts.of(far.name), *h.service, far.kind}).count(g.edges.scale, nil, h)
	}
}

// fromUser counts a request that nobody has caused who sends spans.
func (g *graph) fromUser(h *half) {
	e := g.edges.of(g.now, edgeKey{g.user, *h.service, virtual})
	e.fromUser = true
	e.count(g.edges.scale, nil, h)
}

// virtualSuffix tells the node of the user from the service of that name.
const virtualSuffix = " (virtual)"

// enter takes in the name of a service that sends spans. When it is the user's
// node's, that is called otherwise from now on, its edges until now included:
// they would look like the service's.
func (g *graph) enter(service string) {
	if service == g.taken && g.user == g.taken {
		g.user += virtualSuffix
		g.edges.renameUser(g.user)
	}
}

// meet counts a request of which both ends are known.
func (g *graph) meet(caller, callee *half) {
	key := edgeKey{client: *caller.service, server: *callee.service}
	if caller.message || callee.message {
		key.kind = message
	}
	g.edges.of(g.now, key).count(g.edges.scale, caller, callee)
}

// lone counts a request of which only the caller is known, if the caller says
// whom it called.
func (g *graph) lone(h *half) {
	switch {
	case h.answered, h.doubtful:
	case !h.caller, h.peer == nil:
		g.meters.unpaired.Inc()
	default:
		g.edges.between(g.now, h).count(g.edges.scale, h, nil)
	}
}
