package push

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"
)

// maxSeries is how many series a request has, as Prometheus itself has it.
const maxSeries = 2000

// remoteWriter speaks Prometheus' remote write.
type remoteWriter struct {
	api      *remote.API
	way      *transport
	client   *http.Client
	expander expander
	version  Version
	meters   *meters
	logger   *slog.Logger
}

func newRemote(cfg RemoteWrite, m *meters, logger *slog.Logger) (*remoteWriter, error) {
	client, way, err := newClient(cfg.target())
	if err != nil {
		return nil, fmt.Errorf("remote_write: %w", err)
	}
	if way.url, err = url.Parse(cfg.Endpoint); err != nil { // The client would drop a slash at its end.
		return nil, errors.New("remote_write: endpoint: no URL")
	}
	api, err := remote.NewAPI(cfg.Endpoint,
		remote.WithAPIPath(""), // The endpoint has it.
		remote.WithAPIHTTPClient(client),
		// For ever: the context ends it.
		remote.WithAPIBackoff(remote.BackoffConfig{Min: 250 * time.Millisecond, Max: 5 * time.Second}))
	if err != nil {
		return nil, fmt.Errorf("remote_write: %w", err)
	}
	return &remoteWriter{
		api: api, way: way, client: client, version: cfg.Version, meters: m, logger: logger,
		expander: newExpander(withDefaults(cfg.Labels, map[string]string{"job": "waybill-collector", "instance": host()})),
	}, nil
}

func (r *remoteWriter) close() { r.client.CloseIdleConnections() }

// send implements sender. Series are made for one request at a time: they take
// much more memory than what they are made of.
func (r *remoteWriter) send(ctx context.Context, metrics []metric, at time.Time) (int, error) {
	var errs []error
	sent := 0
	for sent < len(metrics) {
		to, batch := sent, []series(nil)
		for to < len(metrics) && (to == sent || len(batch)+metrics[to].size() <= maxSeries) {
			batch = append(batch, r.expander.expand(&metrics[to])...)
			to++
		}
		err := r.write(ctx, batch, at)
		if err != nil && ctx.Err() != nil {
			for i := range metrics[sent:] {
				r.meters.dropped.Add(float64(metrics[sent+i].size()))
			}
			return sent, errors.Join(append(errs, err)...)
		}
		errs = append(errs, err) // The backend will not take it; it may take the next.
		sent = to
	}
	return sent, errors.Join(errs...)
}

// write sends one request. With an error some or all of it is not taken: never,
// unless ctx has ended.
func (r *remoteWriter) write(ctx context.Context, batch []series, at time.Time) error {
	taken, err := r.attempt(ctx, batch, at)
	if err != nil && r.version == Version2 && ctx.Err() == nil && r.unknown() {
		r.version = Version1
		r.logger.Warn("the backend does not know remote write 2.0; it has 1.0 from now on", "error", reason(err))
		taken, err = r.attempt(ctx, batch, at)
	}
	r.meters.sent.Add(float64(taken))
	if err != nil && ctx.Err() == nil {
		r.meters.rejected.Add(float64(len(batch) - taken))
	}
	return err
}

// unknown says whether the last answer was that of a backend which does not
// know the protocol's second version: that it does not know the type, or that
// all is well, but without the count that the second version has.
func (r *remoteWriter) unknown() bool {
	return r.way.status == http.StatusUnsupportedMediaType || r.way.status/100 == 2
}

// attempt returns how many series were taken.
func (r *remoteWriter) attempt(ctx context.Context, batch []series, at time.Time) (int, error) {
	again := remote.WithWriteRetryCallback(func(error) { r.meters.retries.Inc() })
	if r.version == Version1 {
		if _, err := r.api.Write(ctx, remote.WriteV1MessageType, request1(batch, at), again); err != nil {
			return 0, err
		}
		return len(batch), nil
	}
	stats, err := r.api.Write(ctx, remote.WriteV2MessageType, request2(batch, at), again)
	return min(stats.Samples+stats.Histograms, len(batch)), err
}
