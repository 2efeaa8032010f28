package control

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/demo-services/mesh"
)

// workloads gives services their certificates, by the SPIFFE Workload API. Of
// the API it has what X.509 needs.
type workloads struct {
	workload.UnimplementedSpiffeWorkloadAPIServer
	authority *Authority
	lifetime  time.Duration
	// services are by their tokens' hashes: what is compared is not what is
	// secret.
	services map[[sha256.Size]byte]string
	ended    <-chan struct{}
	logger   *slog.Logger
	issued   *prometheus.CounterVec
	refused  prometheus.Counter
}

func newWorkloads(config Config, authority *Authority, logger *slog.Logger) *workloads {
	w := &workloads{
		authority: authority, lifetime: config.Lifetime, services: map[[sha256.Size]byte]string{}, logger: logger,
		issued: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_mesh_certificates_issued_total", Help: "Certificates that the mesh has given to services.",
		}, []string{"member"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shop_mesh_tokens_refused_total", Help: "Requests for a certificate without a token that is known.",
		}),
	}
	for service, token := range config.Tokens {
		w.services[sha256.Sum256([]byte(token))] = service
	}
	return w
}

// FetchX509SVID implements workload.SpiffeWorkloadAPIServer: a certificate now,
// and the next whenever half of the last one's time is over.
func (w *workloads) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	service, err := w.attest(stream.Context())
	if err != nil {
		w.refused.Inc()
		return err
	}
	id, err := mesh.ID(service)
	if err != nil {
		return err
	}
	next := time.NewTicker(w.lifetime / 2)
	defer next.Stop()
	for {
		certificate, key, err := w.authority.Issue(service, w.lifetime)
		if err != nil {
			w.logger.Error("no certificate could be made", "service", service, "error", err)
			return status.Error(codes.Internal, "no certificate could be made")
		}
		if err := stream.Send(&workload.X509SVIDResponse{Svids: []*workload.X509SVID{{
			SpiffeId: id.String(), X509Svid: certificate, X509SvidKey: key, Bundle: w.authority.root.Raw,
		}}}); err != nil {
			return err
		}
		w.issued.WithLabelValues(service).Inc()
		select {
		case <-next.C:
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case <-w.ended:
			return status.Error(codes.Unavailable, "the control plane ends")
		}
	}
}

// attest finds out which service asks.
func (w *workloads) attest(ctx context.Context) (string, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	// It keeps browsers and the like from being talked into asking.
	if marked := md.Get("workload.spiffe.io"); len(marked) != 1 || marked[0] != "true" {
		return "", status.Error(codes.InvalidArgument, "the security header is missing")
	}
	service, known := w.tokenOf(ctx)
	if !known {
		return "", status.Error(codes.PermissionDenied, "no service has this token")
	}
	return service, nil
}

// tokenOf is whose token the call has shown, if it is anybody's.
func (w *workloads) tokenOf(ctx context.Context) (service string, known bool) {
	md, _ := metadata.FromIncomingContext(ctx)
	said := md.Get("authorization")
	if len(said) != 1 {
		return "", false
	}
	token, is := strings.CutPrefix(said[0], "Bearer ")
	if !is || token == "" {
		return "", false
	}
	service, known = w.services[sha256.Sum256([]byte(token))]
	return service, known
}
