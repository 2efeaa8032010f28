package control

import (
	"context"
	"strings"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	statusv1 "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// What proxies there are: a service's sidecar, through which all its calls go,
// and the way into the mesh.
const (
	kindSidecar = "sidecar"
	kindIngress = "ingress"
)

// proxy is an Envoy's part in the mesh. Proxies of the same part are told the
// same.
type proxy struct{ kind, service string }

// proxyOf reads the id of a node: sidecar/SERVICE or ingress/ingress, and behind
// that what tells one such proxy from another, if anything. Other ids are of
// gRPC's own clients.
func proxyOf(node *corev3.Node) (p proxy, is bool) {
	kind, rest, _ := strings.Cut(node.GetId(), "/")
	service, _, _ := strings.Cut(rest, "/")
	return proxy{kind, service}, kind == kindSidecar || kind == kindIngress
}

// part is what a snapshot is for: "" for gRPC's own clients, who are all told
// the same.
func (p proxy) part() string {
	if p == (proxy{}) {
		return ""
	}
	return p.kind + "/" + p.service
}

// parts implements cache.NodeHash.
type parts struct{}

// ID implements cache.NodeHash.
func (parts) ID(node *corev3.Node) string {
	p, is := proxyOf(node)
	if !is {
		return ""
	}
	return p.part()
}

// streams are those by which configuration is asked for. What proxies are told
// has their keys in it, so they prove who they are as members do. Safe for
// concurrent use.
type streams struct {
	known  func(context.Context) (service string, known bool) // by the token
	exists func(proxy) bool
	logger *clientLog
	ended  <-chan struct{} // with the control plane

	mu     sync.Mutex
	owners map[int64]string // of open streams, by the stream
	wanted map[proxy]bool   // of whom there has been one
	// asked has something in it when somebody is wanted who was not before.
	asked chan struct{}
}

func (s *streams) callbacks() serverv3.CallbackFuncs {
	return serverv3.CallbackFuncs{
		StreamOpenFunc: s.open, StreamClosedFunc: s.closed,
		DeltaStreamOpenFunc: s.open, DeltaStreamClosedFunc: s.closed,
		StreamRequestFunc: func(stream int64, request *discoveryv3.DiscoveryRequest) error {
			s.refused(request.GetNode(), request.GetTypeUrl(), request.GetErrorDetail())
			return s.ask(stream, request.GetNode())
		},
		StreamDeltaRequestFunc: func(stream int64, request *discoveryv3.DeltaDiscoveryRequest) error {
			s.refused(request.GetNode(), request.GetTypeUrl(), request.GetErrorDetail())
			return s.ask(stream, request.GetNode())
		},
	}
}

// refused notes that a client can't use what it was told. Who has never taken
// any is told the same again at once, which is to be no endless loop.
func (s *streams) refused(node *corev3.Node, url string, why *statusv1.Status) {
	if why == nil {
		return
	}
	s.logger.refused(node, url, why.GetMessage())
	select {
	case <-time.After(time.Second):
	case <-s.ended:
	}
}

func (s *streams) open(ctx context.Context, stream int64, _ string) error {
	service, known := s.known(ctx)
	if !known {
		return nil // gRPC's own clients show nothing
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owners[stream] = service
	return nil
}

func (s *streams) closed(stream int64, _ *corev3.Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.owners, stream)
}

// ask is an error if the stream's owner is not who the node says it is.
func (s *streams) ask(stream int64, node *corev3.Node) error {
	p, is := proxyOf(node)
	if !is {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if owner := s.owners[stream]; owner == "" || owner != p.service {
		s.logger.strangers.Inc()
		return status.Errorf(codes.PermissionDenied, "no token of %s has been shown", p.service)
	}
	if !s.exists(p) {
		return status.Errorf(codes.NotFound, "there is no %s of %s", p.kind, p.service)
	}
	if !s.wanted[p] {
		s.wanted[p] = true
		select {
		case s.asked <- struct{}{}:
		default: // it is to be looked at already
		}
	}
	return nil
}

// proxies are those that there has been one of.
func (s *streams) proxies() []proxy {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []proxy
	for p := range s.wanted {
		all = append(all, p)
	}
	return all
}

func newStreams(w *workloads, exists func(proxy) bool, log *clientLog) *streams {
	return &streams{
		known: w.tokenOf, exists: exists, logger: log, ended: w.ended,
		owners: map[int64]string{}, wanted: map[proxy]bool{}, asked: make(chan struct{}, 1),
	}
}
