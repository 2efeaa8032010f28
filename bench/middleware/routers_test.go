package middleware

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// The routers that services use, each with the few lines that tell the route.
// They are routed to GET /orders/{id} in their own spelling.
func routers() map[string]func() (router http.Handler, route string) {
	return map[string]func() (http.Handler, string){
		"chi":     chiRouter,
		"gorilla": gorillaRouter,
		"echo":    echoRouter,
		"gin":     ginRouter,
	}
}

// chi knows the whole pattern, of routers within routers, too, when the handler
// is done.
func chiRouter() (http.Handler, string) {
	r := chi.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() { httpmw.SetRoute(r.Context(), chi.RouteContext(r.Context()).RoutePattern()) }()
			next.ServeHTTP(w, r)
		})
	})
	r.Route("/orders", func(r chi.Router) {
		r.Get("/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	})
	return r, "/orders/{id}"
}

// gorilla/mux knows the route when its middlewares run.
func gorillaRouter() (http.Handler, string) {
	r := mux.NewRouter()
	r.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if route, err := mux.CurrentRoute(r).GetPathTemplate(); err == nil {
				httpmw.SetRoute(r.Context(), route)
			}
			next.ServeHTTP(w, r)
		})
	})
	r.HandleFunc("/orders/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	return r, "/orders/{id}"
}

// echo tells the path that was registered.
func echoRouter() (http.Handler, string) {
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			httpmw.SetRoute(c.Request().Context(), c.Path())
			return next(c)
		}
	})
	e.GET("/orders/:id", func(c echo.Context) error { return c.NoContent(http.StatusAccepted) })
	return e, "/orders/:id"
}

// gin does, too.
func ginRouter() (http.Handler, string) {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.Use(func(c *gin.Context) { httpmw.SetRoute(c.Request.Context(), c.FullPath()) })
	g.GET("/orders/:id", func(c *gin.Context) { c.Status(http.StatusAccepted) })
	return g, "/orders/:id"
}

func TestRoutersTellTheirRoute(t *testing.T) {
	for name, router := range routers() {
		t.Run(name, func(t *testing.T) {
			handler, route := router()
			o := observe(t, waybill, func(to telemetry) {
				around, err := httpmw.NewMiddleware(httpmw.WithTelemetry(to))
				if err != nil {
					t.Fatal(err)
				}
				recorder := httptest.NewRecorder()
				around(handler).ServeHTTP(recorder, incoming(sampled))
				if recorder.Code != http.StatusAccepted {
					t.Fatalf("answered %d", recorder.Code)
				}
			})
			if o["span.name"] != "GET "+route || o["http.server.request.duration label http.route"] != route || o["span.attribute http.route"] != route {
				t.Errorf("the span is %q, its route %q, and the series' %q; want %q",
					o["span.name"], o["span.attribute http.route"], o["http.server.request.duration label http.route"], route)
			}
		})
	}
}

// What no router knows has no route, and is one series.
func TestRoutersHaveNoRouteForWhatTheyDoNotKnow(t *testing.T) {
	for name, router := range routers() {
		t.Run(name, func(t *testing.T) {
			handler, _ := router()
			spans := tracetest.NewSpanRecorder()
			to := newTelemetry(sampled, spans)
			around, err := httpmw.NewMiddleware(httpmw.WithTelemetry(to))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/a", "/b", "/c/d"} {
				r := incoming(sampled)
				r.URL.Path = path
				around(handler).ServeHTTP(httptest.NewRecorder(), r)
			}
			families, err := to.registry.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, family := range families {
				if n := len(family.GetMetric()); n != 1 {
					t.Errorf("%s has %d series: %v", family.GetName(), n, family.GetMetric())
				}
			}
		})
	}
}
