package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/middleware/client"
)

// Two instances are the service order; the first of them is just being
// restarted.
func Example() {
	restarting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "come again", http.StatusServiceUnavailable)
	}))
	defer restarting.Close()
	running := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "here is "+r.URL.Path)
	}))
	defer running.Close()

	telemetry := newTelemetry() // in a service: what middleware.Setup gives
	instances := client.Static{"order": {
		{Address: restarting.Listener.Addr().String()},
		{Address: running.Listener.Addr().String()},
	}}
	calls, err := client.New(nil,
		client.WithTelemetry(telemetry),
		client.WithDiscovery(instances),
		client.WithTimeout(2*time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := http.Client{Transport: calls}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://order/orders/42", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	response, err := orders.Do(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	fmt.Println(response.StatusCode, string(text), err)
	// Output: 200 here is /orders/42 <nil>
}

func ExampleCached() {
	telemetry := newTelemetry()
	calls, err := client.New(nil,
		client.WithTelemetry(telemetry),
		client.WithDiscovery(client.Cached(client.DNS{Port: 8080}, 10*time.Second, time.Hour)),
		client.WithBalancer(client.LeastConnections),
	)
	fmt.Println(calls != nil, err)
	// Output: true <nil>
}

func ExampleRetry() {
	retry := client.DefaultRetry()
	retry.Attempts = 5
	retry.Idempotent = func(r *http.Request) bool {
		return r.Method == http.MethodGet || strings.HasPrefix(r.URL.Path, "/search")
	}
	breaker := client.DefaultBreaker()
	breaker.OpenFor = 30 * time.Second
	_, err := client.New(nil, client.WithTelemetry(newTelemetry()), client.WithRetry(retry), client.WithBreaker(breaker))
	fmt.Println(err)
	// Output: <nil>
}
