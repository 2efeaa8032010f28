package httpmw

import (
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
)

// activity is a method, with the gauges of its active requests, so that one
// look-up finds both. It is safe for concurrent use.
type activity struct {
	method string
	gauge  *instrument.Gauge[activeSeries]
	plain  atomic.Pointer[prometheus.Gauge] // nil until there was a request
	secure atomic.Pointer[prometheus.Gauge]
}

// activities are those of the known methods, and of otherMethod.
type activities map[string]*activity

func newActivities(known methods, gauge *instrument.Gauge[activeSeries]) activities {
	all := activities{otherMethod: {method: otherMethod, gauge: gauge}}
	for method := range known {
		all[method] = &activity{method: method, gauge: gauge}
	}
	return all
}

// of is that of a method, whatever a client has made up.
func (a activities) of(method string) *activity {
	if found := a[method]; found != nil {
		return found
	}
	return a[otherMethod]
}

// series is the gauge of requests that come as this one.
func (a *activity) series(r *http.Request) prometheus.Gauge {
	room := &a.plain
	if r.TLS != nil {
		room = &a.secure
	}
	if found := room.Load(); found != nil {
		return *found
	}
	made := a.gauge.Series(activeSeries{method: a.method, scheme: schemeOf(r)})
	room.Store(&made)
	return made
}
