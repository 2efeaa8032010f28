package push

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
)

// maxPoints is how many data points a request has. A histogram is one.
const maxPoints = 2000

// otlpPusher speaks OTLP over HTTP.
type otlpPusher struct {
	client   *http.Client
	url      string
	resource *resourcepb.Resource
	kind     Histograms
	meters   *meters
}

func newOTLP(cfg OTLP, m *meters) (*otlpPusher, error) {
	client, _, err := newClient(cfg.target())
	if err != nil {
		return nil, fmt.Errorf("otlp: %w", err)
	}
	attributes := withDefaults(cfg.Attributes, map[string]string{"service.name": "waybill-collector", "service.instance.id": host()})
	return &otlpPusher{
		client: client, url: strings.TrimRight(cfg.Endpoint, "/") + "/v1/metrics", kind: cfg.Histograms, meters: m,
		resource: &resourcepb.Resource{Attributes: attributesOf(attributes)},
	}, nil
}

func (o *otlpPusher) close() { o.client.CloseIdleConnections() }

// send implements sender.
func (o *otlpPusher) send(ctx context.Context, metrics []metric, at time.Time) (int, error) {
	var errs []error
	from := 0
	for from < len(metrics) {
		to := min(from+maxPoints, len(metrics))
		rejected, err := o.persist(ctx, o.request(metrics[from:to], at))
		if err != nil && ctx.Err() != nil {
			o.meters.dropped.Add(float64(len(metrics) - from))
			return from, errors.Join(append(errs, err)...)
		}
		if err != nil {
			rejected = to - from // The backend will not take it; it may take the next.
		}
		rejected = min(max(rejected, 0), to-from)
		o.meters.sent.Add(float64(to - from - rejected))
		o.meters.rejected.Add(float64(rejected))
		errs = append(errs, err)
		from = to
	}
	return from, errors.Join(errs...)
}

func (o *otlpPusher) request(metrics []metric, at time.Time) *colmetricspb.ExportMetricsServiceRequest {
	return &colmetricspb.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{
		Resource:     o.resource,
		ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: points(metrics, o.kind, at)}},
	}}}
}

// persist sends a request, again and again while that may help and ctx allows.
// It returns how many points were rejected.
func (o *otlpPusher) persist(ctx context.Context, request *colmetricspb.ExportMetricsServiceRequest) (int, error) {
	encoded, err := proto.Marshal(request)
	if err != nil {
		return 0, fmt.Errorf("encode: %w", err)
	}
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	_, err = zip.Write(encoded)
	if err = errors.Join(err, zip.Close()); err != nil {
		return 0, fmt.Errorf("compress: %w", err)
	}
	intervals := backoff.NewExponentialBackOff()
	intervals.InitialInterval, intervals.MaxInterval = 250*time.Millisecond, 5*time.Second
	return backoff.Retry(ctx, func() (int, error) { return o.post(ctx, zipped.Bytes()) },
		backoff.WithBackOff(intervals), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(error, time.Duration) { o.meters.retries.Inc() }))
}

// post sends a request once. An error that is not permanent may pass.
func (o *otlpPusher) post(ctx context.Context, body []byte) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url, bytes.NewReader(body))
	if err != nil {
		return 0, backoff.Permanent(err)
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	request.Header.Set("Content-Encoding", "gzip")
	response, err := o.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if response.StatusCode/100 == 2 {
		var success colmetricspb.ExportMetricsServiceResponse
		if err != nil || proto.Unmarshal(answer, &success) != nil {
			return 0, nil //nolint:nilerr // The status says that all was taken; nobody counts what was not.
		}
		return int(success.GetPartialSuccess().GetRejectedDataPoints()), nil
	}
	err = fmt.Errorf("the backend answered %s", response.Status)
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if seconds, bad := strconv.Atoi(response.Header.Get("Retry-After")); bad == nil && seconds > 0 {
			return 0, errors.Join(err, backoff.RetryAfter(seconds))
		}
		return 0, err
	}
	return 0, backoff.Permanent(err)
}
