package httpmw

import (
	"context"
	"net/http"
	"strings"
)

// exchangeKey finds the exchange of a request in its context.
type exchangeKey struct{}

// requestContext has the exchange in it. It is a part of the exchange, so that
// it costs no memory of its own.
type requestContext struct {
	context.Context
	exchange *exchange
}

// Value is as in context.Context.
func (c *requestContext) Value(key any) any {
	if _, ours := key.(exchangeKey); ours {
		return c.exchange
	}
	return c.Context.Value(key)
}

// SetRoute tells the route of the request that ctx is of, for routers other
// than http.ServeMux: the pattern, as in /orders/{id}, never the path itself.
// The last call counts, and goes before the pattern of a mux. Without the
// middleware it does nothing. It is safe for concurrent use.
func SetRoute(ctx context.Context, route string) {
	if x, observed := ctx.Value(exchangeKey{}).(*exchange); observed {
		x.route.Store(&route)
	}
}

// ReportRoute goes directly around an http.ServeMux that the middleware cannot
// look into, because a handler between them hands on a copy of the request:
// one that calls Request.WithContext or Clone, such as http.StripPrefix. The
// mux writes its pattern into the copy; ReportRoute tells it to the
// middleware, unless SetRoute or a ReportRoute further inside has told another.
//
//	observe(authenticate(httpmw.ReportRoute(mux)))
func ReportRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outer := r.Pattern
		// A handler that panics has a route, too.
		defer func() {
			x, observed := r.Context().Value(exchangeKey{}).(*exchange)
			if observed && r.Pattern != outer && r.Pattern != "" {
				route := routeOf(r.Pattern)
				x.route.CompareAndSwap(nil, &route)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// routeOf is the path of a ServeMux pattern, which may have a method and a
// host before it.
func routeOf(pattern string) string {
	slash := strings.IndexByte(pattern, '/')
	if slash < 0 {
		return ""
	}
	return pattern[slash:]
}
