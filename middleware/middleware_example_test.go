package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/middleware"
	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// A whole service: one call sets telemetry up, and one line observes its
// server.
func Example() {
	collector := httptest.NewServer(http.NotFoundHandler()) // or the one at http://127.0.0.1:4318
	defer collector.Close()
	if err := serveOrders(context.Background(), collector.URL, fetchOrder); err != nil {
		log.Print(err)
	}
	// Output:
	// 200 OK: order 42
	// x-trace-id has 32 digits
}

func serveOrders(ctx context.Context, collector string, serving func(url string) error) error {
	telemetry, err := middleware.Setup(ctx,
		middleware.WithServiceName("order"),
		middleware.WithEndpoint(collector),
		middleware.WithLogWriter(io.Discard))
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = telemetry.Shutdown(ctx)
	}()

	observe, err := httpmw.NewMiddleware(httpmw.WithTelemetry(telemetry))
	if err != nil {
		return err
	}
	orders := http.NewServeMux()
	orders.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		telemetry.Logger().InfoContext(r.Context(), "order is read", "order", r.PathValue("id"))
		_, _ = io.WriteString(w, "order "+r.PathValue("id"))
	})
	root := http.NewServeMux()
	root.Handle("/", observe(orders))
	root.Handle("GET /metrics", telemetry.MetricsHandler())

	server := httptest.NewServer(root)
	defer server.Close()
	return serving(server.URL)
}

func fetchOrder(url string) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url+"/orders/42", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	fmt.Printf("%s: %s\n", response.Status, body)
	fmt.Printf("x-trace-id has %d digits\n", len(response.Header.Get("x-trace-id")))
	return err
}

// offline is an environment in which nothing is sent.
func offline(name string) (string, bool) { return "none", strings.HasSuffix(name, "_EXPORTER") }

// A service's own metrics are served and sent with those of the middleware.
func ExampleTelemetry_Registerer() {
	telemetry, err := middleware.Setup(context.Background(), middleware.WithoutGlobals(), middleware.WithGetenv(offline))
	if err != nil {
		log.Print(err)
		return
	}

	placed := prometheus.NewCounter(prometheus.CounterOpts{Name: "shop_orders_placed_total", Help: "Orders placed."})
	if err := telemetry.Registerer().Register(placed); err != nil {
		log.Print(err)
		return
	}
	placed.Inc()

	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", nil)
	telemetry.MetricsHandler().ServeHTTP(w, r)
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "shop_") {
			fmt.Print(line)
		}
	}
	// Output:
	// shop_orders_placed_total 1
}

// Records tell the trace that they belong to.
func ExampleTelemetry_Logger() {
	var lines bytes.Buffer
	telemetry, err := middleware.Setup(context.Background(),
		middleware.WithoutGlobals(), middleware.WithGetenv(offline), middleware.WithLogWriter(&lines))
	if err != nil {
		log.Print(err)
		return
	}
	ctx, span := telemetry.TracerProvider().Tracer("stock").Start(context.Background(), "count stock")
	defer span.End()
	telemetry.Logger().InfoContext(ctx, "counted", "warehouse", "north")

	var line struct {
		Message   string `json:"msg"`
		Warehouse string `json:"warehouse"`
		TraceID   string `json:"trace_id"`
	}
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
		log.Print(err)
		return
	}
	fmt.Println(line.Message, line.Warehouse, line.TraceID == span.SpanContext().TraceID().String())
	// Output:
	// counted north true
}
