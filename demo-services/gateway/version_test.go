package gateway

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

func TestVersionIsFound(t *testing.T) {
	const v1 = `[{"id":"usr_ada","name":"Ada","email":"usr_ada@example.com"}]` + "\n"
	const v2 = `{"data":[{"id":"usr_ada","profile":{"name":"Ada","email":"usr_ada@example.com","may_order":true,` +
		`"member_since":"2026-11-24T12:00:00Z"}}],"meta":{"version":"v2","count":1,"limit":50,"next":"/api/v2/users?after=usr_ada\u0026limit=50"}}` + "\n"
	for _, c := range []struct {
		name, path string
		header     http.Header
		body       string
	}{
		{"none", "/api/users", nil, v1},
		{"path v1", "/api/v1/users", nil, v1},
		{"path v2", "/api/v2/users", nil, v2},
		{"header", "/api/users", http.Header{"Api-Version": {"v2"}}, v2},
		{"media type", "/api/users", http.Header{"Accept": {"application/vnd.api.v2+json"}}, v2},
		{"media type among others", "/api/users", http.Header{"Accept": {"text/html, application/vnd.api.v2+json;q=0.9", "*/*"}}, v2},
		{"other media type", "/api/users", http.Header{"Accept": {"application/json"}}, v1},
		{"header before media type", "/api/users", http.Header{"Api-Version": {"v1"}, "Accept": {"application/vnd.api.v2+json"}}, v1},
		{"path before header", "/api/v1/users", http.Header{"Api-Version": {"v2"}}, v1},
	} {
		answer := askWith(t, &backend{}, c.header, http.MethodGet, c.path, "")
		if diff := cmp.Diff(c.body, answer.Body.String()); diff != "" || answer.Code != http.StatusOK {
			t.Errorf("%s: %d (-want +got):\n%s", c.name, answer.Code, diff)
		}
		if answer.Header().Get("Vary") == "" {
			t.Errorf("%s: no Vary", c.name)
		}
	}
}

func TestUnsupportedVersion(t *testing.T) {
	for path, header := range map[string]http.Header{
		"/api/v3/users": nil,
		"/api/v12":      nil,
		"/api/users":    {"Api-Version": {"2"}},
		"/api/orders":   {"Accept": {"application/vnd.api.v9+json"}},
	} {
		p := problemOf(t, askWith(t, &backend{}, header, http.MethodGet, path, ""))
		if p.Status != http.StatusBadRequest || p.Code != "unsupported-api-version" || p.Detail[:23] != "Unsupported API version" {
			t.Errorf("%s %v: %+v", path, header, p)
		}
	}
}

func TestOrderOfV2HasItsCustomer(t *testing.T) {
	for _, c := range []struct{ method, path, body string }{
		{http.MethodGet, "/api/v2/orders/ord_1", ""},
		{http.MethodPost, "/api/v2/orders", goodOrder},
		{http.MethodPost, "/api/v2/orders/ord_1/cancel", ""},
	} {
		answer := ask(t, &backend{}, c.method, c.path, "", c.body)
		order, meta := orderOfV2(t, answer.Body.Bytes())
		if order.Customer == nil || order.Customer.ID != "usr_ada" || order.Version != 4 || meta.Degraded != nil {
			t.Errorf("%s %s: %d %s", c.method, c.path, answer.Code, answer.Body)
		}
	}
	// The order is worth showing without.
	b := &backend{userErr: status.Error(codes.Unavailable, "user is down")}
	answer := ask(t, b, http.MethodGet, "/api/v2/orders/ord_1", "", "")
	order, meta := orderOfV2(t, answer.Body.Bytes())
	if answer.Code != http.StatusOK || order.ID != "ord_1" || order.Customer != nil || !cmp.Equal(meta.Degraded, []string{"customer"}) {
		t.Errorf("without the user service: %d %s", answer.Code, answer.Body)
	}
}

func orderOfV2(t *testing.T, body []byte) (OrderResource, Meta) {
	t.Helper()
	var got struct {
		Data OrderResource
		Meta Meta
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return got.Data, got.Meta
}

func TestOrdersAreListed(t *testing.T) {
	b := &backend{}
	answer := ask(t, b, http.MethodGet, "/api/v1/orders?user_id=usr_ada&status=confirmed&from=2026-11-24T12:00:00Z&to=2026-11-25T12:00:00Z&limit=7", "", "")
	day := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	want := &orderv1.ListOrdersRequest{
		UserId: "usr_ada", Status: orderv1.Status_STATUS_CONFIRMED, Limit: 7,
		From: timestamppb.New(day), To: timestamppb.New(day.Add(24 * time.Hour)),
	}
	if diff := cmp.Diff(want, b.listed, protocmp.Transform()); diff != "" || answer.Code != http.StatusOK {
		t.Errorf("%d %s, call of order (-want +got):\n%s", answer.Code, answer.Body, diff)
	}
	if diff := cmp.Diff("["+orderJSON[:len(orderJSON)-1]+"]\n", answer.Body.String()); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	answer = ask(t, b, http.MethodGet, "/api/v2/orders", "", "")
	var listed struct {
		Data []OrderResource
		Meta Meta
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &listed); err != nil {
		t.Fatal(err)
	}
	if len(listed.Data) != 1 || *listed.Meta.Count != 1 || *listed.Meta.Limit != 50 || b.listed.GetLimit() != 50 {
		t.Errorf("%s", answer.Body)
	}
}

func TestBadQueries(t *testing.T) {
	for query, parameter := range map[string]string{
		"limit=0": "limit", "limit=201": "limit", "limit=x": "limit",
		"status=lost": "status", "status=UNSPECIFIED": "status", "status=unspecified": "status",
		"from=yesterday": "from", "to=2026-11-24": "to",
	} {
		b := &backend{}
		p := problemOf(t, ask(t, b, http.MethodGet, "/api/v1/orders?"+query, "", ""))
		want := []platform.FieldError{{Parameter: parameter}}
		for i := range p.Errors {
			p.Errors[i].Detail = ""
		}
		if p.Status != http.StatusBadRequest || p.Code != "invalid-query" || !cmp.Equal(p.Errors, want) || b.listed != nil {
			t.Errorf("%s: %+v", query, p)
		}
	}
}
