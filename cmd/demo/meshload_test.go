package main

import (
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// rateVariable says how many orders a second TestOrdersInTheMesh places.
const rateVariable = "WAYBILL_MESH_RATE"

// TestOrdersInTheMesh places orders in a shop in a mesh at a rate that does not
// wait for answers, for 20 s, with everything recorded, and says how long they
// took from when they were due. WAYBILL_MESH_RATE=200 is as many as the shop is
// to bear on two cores that do nothing else; without it a few are placed. None
// may fail.
func TestOrdersInTheMesh(t *testing.T) {
	rate, length := 2, 2*time.Second
	if text := os.Getenv(rateVariable); text != "" {
		var err error
		if rate, err = strconv.Atoi(text); err != nil || rate < 1 {
			t.Fatalf("%s=%q: want orders a second", rateVariable, text)
		}
		length = 20 * time.Second
	}
	d := startDemo(t, "--rate", "0", "--mesh")
	transport := &http.Transport{MaxIdleConns: 500, MaxIdleConnsPerHost: 500}
	defer transport.CloseIdleConnections()
	shop := &http.Client{Transport: transport, Timeout: patience}
	d.place(t, exampleOrder) // connections are made

	took := make([]time.Duration, rate*int(length/time.Second))
	failed := make([]string, len(took))
	var placing sync.WaitGroup
	start := time.Now()
	for i := range took {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due)) // orders come when they come
		placing.Go(func() {
			failed[i] = post(t, shop, d.gateway, []string{"itm_coffee", "itm_tea", "itm_mug", "itm_filter"}[i%4])
			took[i] = time.Since(due)
		})
	}
	placing.Wait()
	for _, why := range failed {
		if why != "" {
			t.Fatalf("an order fails: %s", why)
		}
	}
	slices.Sort(took)
	quick, _ := slices.BinarySearch(took, 250*time.Millisecond)
	t.Logf("%d orders at %d/s: p50 %v, p90 %v, p99 %v, longest %v, %.1f %% below 250 ms", len(took), rate,
		took[len(took)/2], took[len(took)*9/10], took[len(took)*99/100], took[len(took)-1], 100*float64(quick)/float64(len(took)))
}

// post places an order of one item, and says why it fails.
func post(t *testing.T, shop *http.Client, gateway, item string) (failure string) {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gateway+"/api/v1/orders", strings.NewReader(orderOf("usr_ada", "tok_visa", item)))
	if err != nil {
		return err.Error()
	}
	response, err := shop.Do(request)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	if response.StatusCode != http.StatusCreated {
		return response.Status + ": " + string(body)
	}
	return ""
}
