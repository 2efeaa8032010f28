package gateway

import (
	"context"
	"net/http"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

func (b *backend) ListItems(_ context.Context, r *inventoryv1.ListItemsRequest, _ ...grpc.CallOption) (*inventoryv1.ListItemsResponse, error) {
	b.itemsListed = r
	return &inventoryv1.ListItemsResponse{More: true, Items: []*inventoryv1.Item{
		{Id: "itm_gramophone", Name: "Gramophone", UnitPrice: 34900}, {Id: "itm_tea", Name: "Tea", UnitPrice: 790, Available: 3},
	}}, b.itemErr
}

func (b *backend) GetItem(_ context.Context, r *inventoryv1.GetItemRequest, _ ...grpc.CallOption) (*inventoryv1.GetItemResponse, error) {
	return &inventoryv1.GetItemResponse{Item: &inventoryv1.Item{Id: r.GetItemId(), Name: "Tea", UnitPrice: 790, Available: 3}}, b.itemErr
}

func TestItemsAreShown(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1/items": `[{"id":"itm_gramophone","name":"Gramophone","unit_price":34900,"available":0},` +
			`{"id":"itm_tea","name":"Tea","unit_price":790,"available":3}]`,
		"/api/v2/items?limit=2": `{"data":[{"id":"itm_gramophone","name":"Gramophone","unit_price":34900,"stock":{"available":0,"sold_out":true}},` +
			`{"id":"itm_tea","name":"Tea","unit_price":790,"stock":{"available":3,"sold_out":false}}],` +
			`"meta":{"version":"v2","count":2,"limit":2,"next":"/api/v2/items?after=itm_tea\u0026limit=2"}}`,
		"/api/v1/items/itm_tea": `{"id":"itm_tea","name":"Tea","unit_price":790,"available":3}`,
		"/api/v2/items/itm_tea": `{"data":{"id":"itm_tea","name":"Tea","unit_price":790,"stock":{"available":3,"sold_out":false}},"meta":{"version":"v2"}}`,
	} {
		answer := ask(t, &backend{}, http.MethodGet, path, "", "")
		if answer.Code != http.StatusOK || answer.Body.String() != want+"\n" {
			t.Errorf("%s: %d %s, want %s", path, answer.Code, answer.Body, want)
		}
	}
	b := &backend{}
	ask(t, b, http.MethodGet, "/api/v1/items?after=itm_a&limit=7", "", "")
	if b.itemsListed.GetAfter() != "itm_a" || b.itemsListed.GetLimit() != 7 {
		t.Errorf("inventory is asked for %v", b.itemsListed)
	}
}

// TestItemsThatCannotBeShown are refused; those who may not ask for so many,
// before inventory is asked.
func TestItemsThatCannotBeShown(t *testing.T) {
	unknown := platform.RPCError(codes.NotFound, platform.ReasonUnknownItem, "unknown item", nil)
	for _, c := range []struct {
		path   string
		err    error
		status int
		code   string
	}{
		{"/api/v1/items?limit=0", nil, 400, "invalid-query"},
		{"/api/v2/items?limit=201", nil, 400, "invalid-query"},
		{"/api/v1/items/itm_unicorn", unknown, 404, "unknown-item"},
		{"/api/v2/items", status.Error(codes.Unavailable, "secret"), 503, "unavailable"},
		{"/api/v2/items/itm_tea", status.Error(codes.DeadlineExceeded, "secret"), 504, "timed-out"},
	} {
		b := &backend{itemErr: c.err}
		answer := ask(t, b, http.MethodGet, c.path, "", "")
		p := problemOf(t, answer)
		if p.Status != c.status || p.Code != c.code || c.status == http.StatusBadRequest && b.itemsListed != nil {
			t.Errorf("%s: %+v, want %d %s", c.path, p, c.status, c.code)
		}
		if busy := c.status == http.StatusServiceUnavailable; busy != (answer.Header().Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After is %q", c.path, answer.Header().Get("Retry-After"))
		}
	}
}
