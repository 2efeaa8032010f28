package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/demo-services/inventory"
)

// browsing is what a look at the catalogue looks like.
const browsing = `
gateway: GET /api/v2/items (server)
  gateway: shop.inventory.v1.InventoryService/ListItems (client)
    inventory: shop.inventory.v1.InventoryService/ListItems (server)
      inventory: SELECT items (client)
`

// TestCatalogue browses the running shop: all its items, one of them, while the
// stock is said to be gone, and while inventory is cut off.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--rate", "0")
	var shown struct {
		Data []struct {
			ID    string `json:"id"`
			Stock struct {
				Available int64 `json:"available"`
			} `json:"stock"`
		} `json:"data"`
	}
	got := get(t, d.gateway+"/api/v2/items")
	if err := json.Unmarshal([]byte(got.body), &shown); err != nil || got.status != http.StatusOK || len(shown.Data) != len(inventory.Catalogue()) {
		t.Fatalf("%d %s: %v", got.status, got.body, err)
	}
	for _, item := range shown.Data {
		if gone := item.ID == inventory.SoldOutItem; gone != (item.Stock.Available == 0) {
			t.Errorf("%s: %d are available", item.ID, item.Stock.Available)
		}
	}
	// The caller knows which instance it has called.
	id := got.header.Get("X-Trace-Id")
	found := wantTrace(t, d.viewer, id, browsing)
	for _, span := range found.Spans {
		if instance := span.tag("shop.instance.id"); strings.HasSuffix(span.Operation, "/ListItems") && span.tag("span.kind") == "client" &&
			instance != d.instanceOf(t, id, "inventory") {
			t.Errorf("the call says that it went to %v", instance)
		}
	}

	const tea = "/api/v1/items/itm_tea"
	for _, c := range []struct {
		key, path string
		status    int
		says      string
	}{
		{fault.StockGone, tea, http.StatusOK, `"available":0`},
		{fault.ServiceCutOff, tea, http.StatusServiceUnavailable, `"code":"unavailable"`},
		{fault.ServiceCutOff, "/api/v2/items", http.StatusOK, `"degraded":["stock"]`}, // It was seen before.
	} {
		d.switchFault(t, "on", c.key)
		if got := get(t, d.gateway+c.path); got.status != c.status || !strings.Contains(got.body, c.says) {
			t.Errorf("%s: %d %s, want %d %s", c.key, got.status, got.body, c.status, c.says)
		}
		d.switchFault(t, "off", c.key)
	}
	if got := get(t, d.gateway+tea); got.status != http.StatusOK || strings.Contains(got.body, `"available":0`) {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
}
