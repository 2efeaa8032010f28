package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

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
	if b.itemErr != nil {
		return nil, b.itemErr
	}
	return &inventoryv1.GetItemResponse{Item: &inventoryv1.Item{Id: r.GetItemId(), Name: "Tea", UnitPrice: 790, Available: 3}}, nil
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

// TestCatalogueIsShownWithoutStock while inventory does not answer, to those who
// can be told so, if it has been seen before.
func TestCatalogueIsShownWithoutStock(t *testing.T) {
	b := &backend{}
	handler := NewServer(b, b, b, Limits{Timeout: time.Minute}, slog.New(slog.DiscardHandler)).Handler()
	want := func(path string, status int, body string) {
		t.Helper()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		wantInContract(t, request, "", answer)
		if answer.Code != status || !strings.Contains(answer.Body.String(), body) {
			t.Errorf("%s: %d %s, want %d and %s in it", path, answer.Code, answer.Body, status, body)
		}
	}
	want("/api/v2/items?limit=2", http.StatusOK, `"stock":{"available":3,"sold_out":false}`)
	want("/api/v1/items/itm_tea", http.StatusOK, `"available":3`)
	for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded} {
		b.itemErr = status.Error(code, "secret")
		want("/api/v2/items?limit=2", http.StatusOK, `{"id":"itm_tea","name":"Tea","unit_price":790}],`+
			`"meta":{"version":"v2","count":2,"limit":2,"next":"/api/v2/items?after=itm_tea\u0026limit=2","degraded":["stock"]}}`)
		want("/api/v2/items/itm_tea", http.StatusOK, `{"data":{"id":"itm_tea","name":"Tea","unit_price":790},"meta":{"version":"v2","degraded":["stock"]}}`)
	}
	b.itemErr = status.Error(codes.Unavailable, "secret")
	want("/api/v1/items?limit=2", http.StatusServiceUnavailable, "unavailable")
	want("/api/v1/items/itm_tea", http.StatusServiceUnavailable, "unavailable")
	want("/api/v2/items?limit=3", http.StatusServiceUnavailable, "unavailable")
	want("/api/v2/items/itm_pot", http.StatusServiceUnavailable, "unavailable")
	b.itemErr = status.Error(codes.Internal, "secret") // It has answered.
	want("/api/v2/items/itm_tea", http.StatusBadGateway, "upstream-failed")
	b.itemErr = nil
	want("/api/v2/items/itm_tea", http.StatusOK, `"sold_out":false`)
}

func TestShelfForgets(t *testing.T) {
	s := newShelf()
	for i := range 2 * maxShelf {
		it := &inventoryv1.Item{Id: strconv.Itoa(i)}
		if known, remembered, err := s.item(it.GetId(), it, nil); known != it || remembered || err != nil {
			t.Fatal(known, remembered, err)
		}
	}
	if len(s.items) != maxShelf {
		t.Errorf("%d items are remembered, want %d", len(s.items), maxShelf)
	}
}
