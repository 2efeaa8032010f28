package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// backend is the user, order and inventory services. Each call gives what the test has
// put there.
type backend struct {
	// What these tests do not call is missing.
	userv1.UserServiceClient
	orderv1.OrderServiceClient
	inventoryv1.InventoryServiceClient

	userErr, orderErr, itemErr error
	// parked orders are cancelling, and nobody goes on with that.
	parked bool

	created     *orderv1.CreateOrderRequest
	listed      *orderv1.ListOrdersRequest
	itemsListed *inventoryv1.ListItemsRequest
	deadline    time.Time
}

func (b *backend) ValidateUser(_ context.Context, r *userv1.ValidateUserRequest, _ ...grpc.CallOption) (*userv1.ValidateUserResponse, error) {
	return &userv1.ValidateUserResponse{User: aUser(r.GetUserId())}, b.userErr
}

func (b *backend) CreateOrder(ctx context.Context, r *orderv1.CreateOrderRequest, _ ...grpc.CallOption) (*orderv1.CreateOrderResponse, error) {
	b.created = r
	b.deadline, _ = ctx.Deadline()
	return &orderv1.CreateOrderResponse{Order: anOrder("ord_1")}, b.orderErr
}

func (b *backend) GetOrder(_ context.Context, r *orderv1.GetOrderRequest, _ ...grpc.CallOption) (*orderv1.GetOrderResponse, error) {
	o := anOrder(r.GetOrderId())
	if b.parked {
		o.Status, o.Reason, o.Parked = orderv1.Status_STATUS_CANCELLING, platform.ReasonCardDeclined, true
	}
	return &orderv1.GetOrderResponse{Order: o}, b.orderErr
}

func (b *backend) CancelOrder(_ context.Context, r *orderv1.CancelOrderRequest, _ ...grpc.CallOption) (*orderv1.CancelOrderResponse, error) {
	o := anOrder(r.GetOrderId())
	if b.parked { // The answer of a command does not say so.
		o.Status, o.Reason = orderv1.Status_STATUS_CANCELLING, platform.ReasonCardDeclined
	}
	return &orderv1.CancelOrderResponse{Order: o}, b.orderErr
}

func (b *backend) ListOrders(_ context.Context, r *orderv1.ListOrdersRequest, _ ...grpc.CallOption) (*orderv1.ListOrdersResponse, error) {
	b.listed = r
	o := anOrder("ord_1")
	if b.parked {
		o.Status, o.Reason, o.Parked = orderv1.Status_STATUS_CANCELLING, platform.ReasonCardDeclined, true
	}
	return &orderv1.ListOrdersResponse{Orders: []*orderv1.Order{o}}, b.orderErr
}

func (b *backend) GetUser(_ context.Context, r *userv1.GetUserRequest, _ ...grpc.CallOption) (*userv1.GetUserResponse, error) {
	return &userv1.GetUserResponse{User: aUser(r.GetUserId())}, b.userErr
}

func (b *backend) ListUsers(context.Context, *userv1.ListUsersRequest, ...grpc.CallOption) (*userv1.ListUsersResponse, error) {
	return &userv1.ListUsersResponse{Users: []*userv1.User{aUser("usr_ada")}, More: true}, b.userErr
}

func aUser(id string) *userv1.User {
	return &userv1.User{
		Id: id, Name: "Ada", Email: id + "@example.com", CreatedAt: timestamppb.New(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)),
	}
}

func anOrder(id string) *orderv1.Order {
	at := timestamppb.New(time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC))
	return &orderv1.Order{
		Id: id, Version: 4, UserId: "usr_ada", Status: orderv1.Status_STATUS_CONFIRMED, Currency: "EUR", Amount: 1890, CreatedAt: at, UpdatedAt: at,
		Lines: []*orderv1.Line{{ItemId: "itm_coffee", Name: "Coffee", Quantity: 1, UnitPrice: 1890}},
	}
}

const goodOrder = `{"user_id":"usr_ada","currency":"EUR","card_token":"tok_visa","items":[{"item_id":"itm_coffee","quantity":1}]}`

// ask sends one request to a gateway in front of the backend, in a trace.
func ask(t *testing.T, b *backend, method, path, contentType, body string) *httptest.ResponseRecorder {
	t.Helper()
	header := http.Header{}
	if contentType != "" {
		header.Set("Content-Type", contentType)
	}
	return askWith(t, b, header, method, path, body)
}

// askWith makes one request, and checks what the document says of the answer.
func askWith(t *testing.T, b *backend, header http.Header, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	request := httptest.NewRequestWithContext(trace.ContextWithSpanContext(t.Context(), sc), method, path, strings.NewReader(body))
	maps.Copy(request.Header, header)
	recorder := httptest.NewRecorder()
	NewServer(b, b, b, Limits{Timeout: time.Minute}, slog.New(slog.DiscardHandler)).Handler().ServeHTTP(recorder, request)
	if documented(method, path) {
		wantInContract(t, request, body, recorder)
	}
	return recorder
}

// documented says whether the document knows the route.
func documented(method, path string) bool {
	return method != http.MethodDelete && regexp.MustCompile(`^/api/v[12]/(users|items|orders|sessions)(/|\?|$)`).MatchString(path)
}

// problemOf reads the answer as a problem, and checks what all of them have.
func problemOf(t *testing.T, answer *httptest.ResponseRecorder) platform.Problem {
	t.Helper()
	var p platform.Problem
	if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil {
		t.Fatalf("body %q: %v", answer.Body, err)
	}
	if got := answer.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type is %q", got)
	}
	if p.Status != answer.Code || p.Type != "urn:waybill:problem:"+p.Code || p.Title == "" || p.TraceID != "01000000000000000000000000000000" {
		t.Errorf("answer %d has problem %+v", answer.Code, p)
	}
	return p
}

func TestOrderIsPlaced(t *testing.T) {
	b := &backend{}
	body := strings.Replace(goodOrder, `"items"`, `"amount":1890,"items"`, 1)
	answer := ask(t, b, http.MethodPost, "/api/v1/orders", "application/json; charset=utf-8", body)
	if answer.Code != http.StatusCreated || answer.Header().Get("Location") != "/api/v1/orders/ord_1" {
		t.Fatalf("%d %v %s", answer.Code, answer.Header(), answer.Body)
	}
	want := &orderv1.CreateOrderRequest{
		UserId: "usr_ada", Email: "usr_ada@example.com", Currency: "EUR", CardToken: "tok_visa", ExpectedAmount: 1890,
		Lines: []*orderv1.Line{{ItemId: "itm_coffee", Quantity: 1}},
	}
	if diff := cmp.Diff(want, b.created, protocmp.Transform()); diff != "" {
		t.Errorf("call of order (-want +got):\n%s", diff)
	}
	if left := time.Until(b.deadline); left <= 0 || left > time.Minute {
		t.Errorf("the call has %v left", left)
	}
}

const orderJSON = `{"id":"ord_1","status":"confirmed","user_id":"usr_ada","currency":"EUR","amount":1890,` +
	`"items":[{"item_id":"itm_coffee","name":"Coffee","quantity":1,"unit_price":1890}],` +
	`"created_at":"2026-11-24T12:00:00Z","updated_at":"2026-11-24T12:00:00Z"}` + "\n"

func TestOrderIsShown(t *testing.T) {
	for _, c := range []struct{ method, path, contentType, body string }{
		{http.MethodGet, "/api/v1/orders/ord_1", "", ""},
		{http.MethodPost, "/api/v1/orders", "application/json", goodOrder},
		{http.MethodPost, "/api/v1/orders", "application/x-www-form-urlencoded", goodOrder}, // curl -d
		{http.MethodPost, "/api/v1/orders", "", goodOrder},
	} {
		answer := ask(t, &backend{}, c.method, c.path, c.contentType, c.body)
		if diff := cmp.Diff(orderJSON, answer.Body.String()); diff != "" {
			t.Errorf("%s %s as %q: %d (-want +got):\n%s", c.method, c.path, c.contentType, answer.Code, diff)
		}
	}
}

// TestParkedOrderIsShownAsSuch to those who look at it, alone or among others, and to
// those who cancel
// what is being cancelled already.
func TestParkedOrderIsShownAsSuch(t *testing.T) {
	for _, c := range []struct{ method, path string }{
		{http.MethodGet, "/api/v1/orders/ord_1"},
		{http.MethodGet, "/api/v2/orders/ord_1"},
		{http.MethodGet, "/api/v1/orders"},
		{http.MethodGet, "/api/v2/orders?status=cancelling"},
		{http.MethodPost, "/api/v1/orders/ord_1/cancel"},
		{http.MethodPost, "/api/v2/orders/ord_1/cancel"},
	} {
		const want = `"status":"cancelling","reason":"card-declined","parked":true`
		answer := ask(t, &backend{parked: true}, c.method, c.path, "", "")
		if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), want) {
			t.Errorf("%s %s: %d %s", c.method, c.path, answer.Code, answer.Body)
		}
	}
}

func TestBadRequests(t *testing.T) {
	with := func(old, replacement string) string { return strings.Replace(goodOrder, old, replacement, 1) }
	for _, c := range []struct {
		name, body string
		status     int
		code       string
		pointers   []string
	}{
		{"malformed", `{"user_id":`, 400, "malformed-json", nil},
		{"empty", ``, 400, "malformed-json", nil},
		{"not an object", `[1]`, 400, "malformed-json", nil},
		{"unknown field", with(`"user_id"`, `"price":1,"user_id"`), 400, "malformed-json", nil},
		{"wrong type", with(`"quantity":1`, `"quantity":"1"`), 400, "malformed-json", nil},
		{"fraction", with(`"quantity":1`, `"quantity":1.5`), 400, "malformed-json", nil},
		{"number too large", with(`"quantity":1`, `"quantity":1e30`), 400, "malformed-json", nil},
		{"two values", goodOrder + goodOrder, 400, "malformed-json", nil},
		{"too large", `{"user_id":"` + strings.Repeat("x", maxBody) + `"}`, 413, "body-too-large", nil},
		{"too large by space", goodOrder + strings.Repeat(" ", maxBody), 413, "body-too-large", nil},
		{"nothing in it", `{}`, 422, "invalid-order", []string{"/user_id", "/card_token", "/currency", "/items"}},
		{"negative amount", with(`"items"`, `"amount":-1,"items"`), 422, "invalid-order", []string{"/amount"}},
		{"negative quantity", with(`"quantity":1`, `"quantity":-1`), 422, "invalid-order", []string{"/items/0/quantity"}},
		{"too many", with(`"quantity":1`, `"quantity":1001`), 422, "invalid-order", []string{"/items/0/quantity"}},
		{"no item", with(`"itm_coffee"`, `""`), 422, "invalid-order", []string{"/items/0/item_id"}},
		{"other currency", with(`"EUR"`, `"eur"`), 422, "invalid-order", []string{"/currency"}},
		{"long user", with(`"usr_ada"`, `"`+strings.Repeat("x", maxText+1)+`"`), 422, "invalid-order", []string{"/user_id"}},
		{
			"many lines", with(`{"item_id"`, strings.Repeat(`{"item_id":"a","quantity":1},`, maxItems)+`{"item_id"`),
			422, "invalid-order",
			[]string{"/items"},
		},
	} {
		b := &backend{}
		p := problemOf(t, ask(t, b, http.MethodPost, "/api/v1/orders", "application/json", c.body))
		var pointers []string
		for _, e := range p.Errors {
			pointers = append(pointers, e.Pointer)
		}
		if p.Status != c.status || p.Code != c.code || !cmp.Equal(pointers, c.pointers) || p.Detail == "" {
			t.Errorf("%s: %+v, want %d %s %v", c.name, p, c.status, c.code, c.pointers)
		}
		if b.created != nil {
			t.Errorf("%s: an order was placed", c.name)
		}
	}
}

func TestRoutes(t *testing.T) {
	for _, c := range []struct {
		method, path, contentType string
		status                    int
		code, allow               string
	}{
		{http.MethodPost, "/api/v1/orders", "text/xml", 415, "unsupported-media-type", ""},
		{http.MethodDelete, "/api/v1/orders", "", 405, "method-not-allowed", "GET, HEAD, POST"},
		{http.MethodDelete, "/api/v1/orders/ord_1", "", 405, "method-not-allowed", "GET, HEAD"},
		{http.MethodDelete, "/api/v2/users", "", 405, "method-not-allowed", "GET, HEAD, POST"},
		{http.MethodDelete, "/api/v2/items", "", 405, "method-not-allowed", "GET, HEAD"},
		{http.MethodDelete, "/api/v1/items/itm_tea", "", 405, "method-not-allowed", "GET, HEAD"},
		{http.MethodGet, "/api/v1", "", 404, "route-not-found", ""},
		{http.MethodGet, "/api/v1/things", "", 404, "route-not-found", ""},
		{http.MethodGet, "/", "", 404, "route-not-found", ""},
	} {
		answer := ask(t, &backend{}, c.method, c.path, c.contentType, goodOrder)
		p := problemOf(t, answer)
		if p.Status != c.status || p.Code != c.code || answer.Header().Get("Allow") != c.allow {
			t.Errorf("%s %s: %+v, allow %q; want %d %s, allow %q", c.method, c.path, p, answer.Header().Get("Allow"), c.status, c.code, c.allow)
		}
	}
}

func TestWhatOtherServicesAnswer(t *testing.T) {
	refusal := func(code codes.Code, reason string) error {
		return platform.RPCError(code, reason, "because", map[string]string{"order_id": "ord_9"})
	}
	for _, c := range []struct {
		name   string
		err    error
		status int
		code   string
		detail string
	}{
		{"unknown user", refusal(codes.NotFound, platform.ReasonUnknownUser), 422, "unknown-user", "because"},
		{"blocked user", refusal(codes.FailedPrecondition, platform.ReasonUserBlocked), 403, "user-blocked", "because"},
		{"unknown item", refusal(codes.NotFound, platform.ReasonUnknownItem), 422, "unknown-item", "because"},
		{"out of stock", refusal(codes.FailedPrecondition, platform.ReasonOutOfStock), 409, "out-of-stock", "because"},
		{"declined", refusal(codes.FailedPrecondition, platform.ReasonCardDeclined), 402, "card-declined", "because"},
		{"other amount", refusal(codes.FailedPrecondition, platform.ReasonAmountMismatch), 409, "amount-mismatch", "because"},
		{"no provider", refusal(codes.Unavailable, platform.ReasonPSPUnavailable), 503, "payment-unavailable", "because"},
		{"too late", refusal(codes.DeadlineExceeded, platform.ReasonTimedOut), 504, "timed-out", "because"},
		{"no answer in time", status.Error(codes.DeadlineExceeded, "secret"), 504, "timed-out", "A part of the shop did not answer in time."},
		{"not there", status.Error(codes.Unavailable, "secret"), 503, "unavailable", "A part of the shop is not available; try again."},
		{"failed", status.Error(codes.Internal, "secret"), 502, "upstream-failed", "A part of the shop has failed."},
		{"no status", errors.New("secret"), 502, "upstream-failed", "A part of the shop has failed."},
		{"reason of a later version", refusal(codes.Aborted, "BAD_WEATHER"), 502, "upstream-failed", "A part of the shop has failed."},
	} {
		for _, b := range []*backend{{userErr: c.err}, {orderErr: c.err}} {
			answer := ask(t, b, http.MethodPost, "/api/v1/orders", "application/json", goodOrder)
			p := problemOf(t, answer)
			if p.Status != c.status || p.Code != c.code || p.Detail != c.detail {
				t.Errorf("%s: %+v, want %d %s %q", c.name, p, c.status, c.code, c.detail)
			}
			if want := c.detail == "because"; (p.OrderID == "ord_9") != want {
				t.Errorf("%s: order is %q", c.name, p.OrderID)
			}
			if want := c.status == http.StatusServiceUnavailable; (answer.Header().Get("Retry-After") != "") != want {
				t.Errorf("%s: Retry-After is %q", c.name, answer.Header().Get("Retry-After"))
			}
		}
	}
	unknown := ask(t, &backend{orderErr: refusal(codes.NotFound, platform.ReasonUnknownOrder)}, http.MethodGet, "/api/v1/orders/ord_9", "", "")
	if p := problemOf(t, unknown); p.Status != http.StatusNotFound || p.Code != "unknown-order" {
		t.Errorf("unknown order: %+v", p)
	}
}
