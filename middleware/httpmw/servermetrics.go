package httpmw

import (
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// serverSeries names a series of the server's histograms. Nothing in it is for
// the client to choose: not the host, nor a method that is unknown, nor a path.
type serverSeries struct {
	*activity
	route, errorType, version string
	status                    int
}

func serverAttributes() []attribute.Key {
	return []attribute.Key{
		semconv.HTTPRequestMethod, semconv.URLScheme, semconv.HTTPRoute,
		semconv.HTTPResponseStatusCode, semconv.ErrorType, semconv.NetworkProtocolVersion,
	}
}

func (s serverSeries) labels() []string {
	return []string{s.method, s.scheme, s.route, statusLabel(s.status), s.errorType, s.version}
}

// statusLabel is empty for a request that got no response.
func statusLabel(status int) string {
	if status == 0 {
		return ""
	}
	return strconv.Itoa(status)
}

type activeSeries struct{ method, scheme string }

func (s activeSeries) labels() []string { return []string{s.method, s.scheme} }

// serverMetrics are those of NewMiddleware; the sizes are nil if they are not
// wanted.
type serverMetrics struct {
	duration                  *instrument.Duration[serverSeries]
	active                    *instrument.Gauge[activeSeries]
	requestSize, responseSize *instrument.Size[serverSeries]
}

func newServerMetrics(source Telemetry, sizes bool) (m serverMetrics, err error) {
	m.duration, err = instrument.NewDuration(source, semconv.HTTPServerRequestDuration, serverSeries.labels, serverAttributes()...)
	if err != nil {
		return m, err
	}
	m.active, err = instrument.NewGauge(source.Registerer(), semconv.HTTPServerActiveRequests, activeSeries.labels, semconv.HTTPRequestMethod, semconv.URLScheme)
	if err != nil || !sizes {
		return m, err
	}
	m.requestSize, err = instrument.NewSize(source, semconv.HTTPServerRequestBodySize, serverSeries.labels, serverAttributes()...)
	if err != nil {
		return m, err
	}
	m.responseSize, err = instrument.NewSize(source, semconv.HTTPServerResponseSize, serverSeries.labels, serverAttributes()...)
	return m, err
}

func (m serverMetrics) observe(series serverSeries, took time.Duration, x *exchange) {
	span, ended := x.span.SpanContext(), x.began.Add(took)
	m.duration.Observe(series, took, ended, span)
	if m.requestSize != nil {
		m.requestSize.Observe(series, x.requestSize(), ended, span)
		m.responseSize.Observe(series, x.sizes.response, ended, span)
	}
}
