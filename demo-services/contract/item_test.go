package contract

import (
	"net/http"
	"testing"

	"github.com/waybill-dev/waybill/demo-services/gateway"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

// TestGatewayShowsItems runs the gateway against a stub of inventory.
func TestGatewayShowsItems(t *testing.T) {
	all := GatewayOfInventory()
	var met []string
	for _, c := range []struct {
		call, path string
		status     int
		body       string
	}{
		{
			"items", "/api/v2/items?limit=1", http.StatusOK,
			`{"data":[{"id":"itm_chocolate","name":"Dark chocolate, 12 bars","unit_price":3600,"stock":{"available":1000,"sold_out":false}}],` +
				`"meta":{"version":"v2","count":1,"limit":1,"next":"/api/v2/items?after=itm_chocolate\u0026limit=1"}}`,
		},
		{"last items", "/api/v1/items?after=itm_tray", http.StatusOK, `[]`},
		{
			"item", "/api/v1/items/itm_chocolate", http.StatusOK,
			`{"id":"itm_chocolate","name":"Dark chocolate, 12 bars","unit_price":3600,"available":1000}`,
		},
		{"unknown item", "/api/v1/items/itm_unicorn", http.StatusNotFound, ""},
	} {
		met = append(met, c.call)
		t.Run(c.call, func(t *testing.T) {
			cfg := gateway.DefaultConfig()
			cfg.Config, cfg.Limits.Timeout = alone(t), patience
			cfg.InventoryAddr = startStub(t, named(t, all, c.call))
			host, err := gateway.Start(t.Context(), cfg, platformtest.Telemetry(t))
			host = running(t, host, err)
			answered, body := visit{method: http.MethodGet, path: c.path}.make(t, "http://"+host.Addr().String())
			if answered != c.status || c.body != "" && body != c.body+"\n" {
				t.Errorf("%d %s, want %d %s", answered, body, c.status, c.body)
			}
		})
	}
	wantAllMet(t, all, named(t, all, met...))
}
