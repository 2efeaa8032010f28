package httpmw

import (
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
)

// activity is what requests of a method and a scheme have in common. There is
// one of each, so that it takes part in keys by its address.
type activity struct {
	method, scheme string
	gauge          prometheus.Gauge // of the active ones
}

// activities are those of the known methods, and of otherMethod. They are safe
// for concurrent use.
type activities map[string]*schemes

// schemes are the activities of one method; nil until there was a request.
type schemes struct {
	method        string
	gauge         *instrument.Gauge[activeSeries]
	plain, secure atomic.Pointer[activity]
}

func newActivities(known methods, gauge *instrument.Gauge[activeSeries]) activities {
	all := activities{otherMethod: {method: otherMethod, gauge: gauge}}
	for method := range known {
		all[method] = &schemes{method: method, gauge: gauge}
	}
	return all
}

// of is that of a request, whatever method a client has made up.
func (a activities) of(r *http.Request) *activity {
	found := a[r.Method]
	if found == nil {
		found = a[otherMethod]
	}
	room := &found.plain
	if r.TLS != nil {
		room = &found.secure
	}
	if known := room.Load(); known != nil {
		return known
	}
	series := activeSeries{method: found.method, scheme: schemeOf(r)}
	room.CompareAndSwap(nil, &activity{method: series.method, scheme: series.scheme, gauge: found.gauge.Series(series)})
	return room.Load()
}
