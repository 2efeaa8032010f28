package control

import (
	"log/slog"
	"strings"
	"sync"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/prometheus/client_golang/prometheus"
)

// clientLog is what there is to tell of clients that ask for configuration. Safe
// for concurrent use.
type clientLog struct {
	logger    *slog.Logger
	refusals  *prometheus.CounterVec
	strangers prometheus.Counter

	mu   sync.Mutex
	last string // refusal that was told
}

func newClientLog(logger *slog.Logger) *clientLog {
	return &clientLog{
		logger: logger,
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_mesh_configurations_refused_total", Help: "Configurations that a client of the control plane could not use, and goes on without.",
		}, []string{"resource"}),
		strangers: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shop_mesh_proxies_refused_total", Help: "Requests for a proxy's configuration without the token of its service.",
		}),
	}
}

// resourceKinds are the kinds of what clients are told, by the ends of their URLs.
var resourceKinds = map[string]string{
	"Listener": "listener", "RouteConfiguration": "route", "Cluster": "cluster", "ClusterLoadAssignment": "endpoint", "Secret": "secret",
}

// refused is called when a client could not use what it was told.
func (l *clientLog) refused(node *corev3.Node, url, why string) {
	kind := resourceKinds[url[strings.LastIndexByte(url, '.')+1:]]
	if kind == "" {
		kind = "other"
	}
	l.refusals.WithLabelValues(kind).Inc()
	l.mu.Lock()
	defer l.mu.Unlock()
	// A client that is told the same again refuses it again.
	if this := node.GetId() + kind + why; this != l.last {
		l.last = this
		l.logger.Error("a client refuses its configuration", "node", node.GetId(), "resource", kind, "error", why)
	}
}

// collectors are the metrics.
func (l *clientLog) collectors() []prometheus.Collector {
	return []prometheus.Collector{l.refusals, l.strangers}
}
