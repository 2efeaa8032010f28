package contract

import (
	"encoding/base64"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	"github.com/waybill-dev/waybill/demo-services/gateway"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

// visit is a request that a client makes of the gateway, which calls of other
// services it makes for it, and what comes of their answers.
type visit struct {
	users, orders      []string
	method, path, body string
	// kid is of the key that the client's token says to be signed by.
	kid    string
	status int
	// says is what is in the answer's body.
	says string
}

func purchase(item, card, amount string) string {
	return `{"user_id":"usr_ada","currency":"EUR","card_token":"` + card + `","items":[{"item_id":"` + item + `","quantity":1}]` + amount + `}`
}

func visits() []visit {
	may, post, get := []string{"user may order"}, http.MethodPost, http.MethodGet
	const orders, users = "/api/v1/orders", "/api/v2/users"
	account := func(name, email, password string) string {
		return `{"name":"` + name + `","email":"` + email + `","password":"` + password + `"}`
	}
	return []visit{
		{may, []string{"order"}, post, orders, purchase("itm_coffee", "tok_visa", `,"amount":1890`), "", 201, `"id":"ord_new"`},
		{may, []string{"unknown item"}, post, orders, purchase("itm_unicorn", "tok_visa", ""), "", 422, `"code":"unknown-item"`},
		{may, []string{"out of stock"}, post, orders, purchase("itm_gramophone", "tok_visa", ""), "", 409, `"order_id":"something"`},
		{may, []string{"amount differs"}, post, orders, purchase("itm_coffee", "tok_visa", `,"amount":1`), "", 409, `"code":"amount-mismatch"`},
		{may, []string{"card declined"}, post, orders, purchase("itm_coffee", "tok_declined", ""), "", 402, `"code":"card-declined"`},
		{may, []string{"psp is down"}, post, orders, purchase("itm_coffee", "tok_outage", ""), "", 503, `"code":"payment-unavailable"`},
		{[]string{"unknown user may not"}, nil, post, orders, strings.Replace(purchase("a", "b", ""), "usr_ada", "usr_nobody", 1), "", 422, `"code":"unknown-user"`},
		{[]string{"blocked user may not"}, nil, post, orders, strings.Replace(purchase("a", "b", ""), "usr_ada", "usr_mallory", 1), "", 403, `"code":"user-blocked"`},
		{[]string{"user"}, []string{"shown"}, get, "/api/v2/orders/" + GivenOrder, "", "", 200, `"name":"Ada Lindqvist"`},
		{nil, []string{"shown"}, get, orders + "/" + GivenOrder, "", "", 200, `"unit_price":1890`},
		{nil, []string{"unknown order"}, get, orders + "/ord_unknown", "", "", 404, `"code":"unknown-order"`},
		{nil, []string{"listed"}, get, orders + "?user_id=usr_ada&status=confirmed&limit=5", "", "", 200, `"status":"confirmed"`},
		{nil, []string{"cancelled"}, post, orders + "/" + GivenOrder + "/cancel", "", "", 200, `"reason":"cancelled-by-customer"`},
		{nil, []string{"shipped is not cancelled"}, post, orders + "/" + GivenOrder + "_shipped/cancel", "", "", 409, `"code":"status-conflict"`},
		{[]string{"user"}, nil, get, users + "/usr_ada", "", "", 200, `"may_order":true`},
		{[]string{"blocked user"}, nil, get, users + "/usr_mallory", "", "", 200, `"may_order":false`},
		{[]string{"unknown user"}, nil, get, users + "/usr_nobody", "", "", 404, `"code":"unknown-user"`},
		{[]string{"users"}, nil, get, users + "?limit=1", "", "", 200, `after=usr_ada`},
		{[]string{"register"}, nil, post, users, account("Zoe", "zoe@example.com", "long enough"), "", 201, `"id":"usr_zoe"`},
		{[]string{"email is taken"}, nil, post, users, account("Ada", "ada@example.com", "long enough"), "", 409, `"code":"email-taken"`},
		{[]string{"short password"}, nil, post, users, account("Zoe", "zoe@example.com", "short"), "", 422, `"status":422`},
		{[]string{"sign in"}, nil, post, "/api/v1/sessions", `{"email":"yan@example.com","password":"long enough"}`, "", 201, `"token":"something"`},
		{[]string{"wrong password"}, nil, post, "/api/v1/sessions", `{"email":"ada@example.com","password":"a guess"}`, "", 401, `"code":"wrong-credentials"`},
		{[]string{"signing keys"}, nil, get, orders, "", something, 401, `"code":"invalid-token"`},
	}
}

// TestGatewayGetsAlong runs the gateway against stubs of user and order.
func TestGatewayGetsAlong(t *testing.T) {
	var ofUser, ofOrder []string
	for _, v := range visits() {
		ofUser, ofOrder = append(ofUser, v.users...), append(ofOrder, v.orders...)
		t.Run(v.method+" "+v.path+" "+strings.Join(append(v.users, v.orders...), ", "), func(t *testing.T) {
			cfg := gateway.DefaultConfig()
			cfg.Config, cfg.Limits.Timeout = alone(t), patience
			cfg.UserAddr = startStub(t, named(t, GatewayOfUser(), v.users...))
			cfg.OrderAddr = startStub(t, named(t, GatewayOfOrder(), v.orders...))
			host, err := gateway.Start(t.Context(), cfg, platformtest.Telemetry(t))
			host = running(t, host, err)
			answered, body := v.make(t, "http://"+host.Addr().String())
			if answered != v.status || !strings.Contains(body, v.says) {
				t.Errorf("%d %s, want %d and %s in it", answered, body, v.status, v.says)
			}
		})
	}
	wantAllMet(t, GatewayOfUser(), named(t, GatewayOfUser(), ofUser...))
	wantAllMet(t, GatewayOfOrder(), named(t, GatewayOfOrder(), ofOrder...))
}

func (v visit) make(t *testing.T, base string) (answered int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), v.method, base+v.path, strings.NewReader(v.body))
	if err != nil {
		t.Fatal(err)
	}
	if v.kid != "" {
		part := base64.RawURLEncoding.EncodeToString
		request.Header.Set("Authorization", "Bearer "+part([]byte(`{"alg":"EdDSA","kid":"`+v.kid+`"}`))+"."+part([]byte(`{}`))+".AAAA")
	}
	return send(t, request)
}

// wantAllMet makes sure that no expectation is tested at the provider only:
// each is met by the consumer, or another one like it is.
func wantAllMet(t *testing.T, all, met []Call) {
	t.Helper()
	for _, c := range all {
		if !slices.ContainsFunc(met, func(m Call) bool {
			return m.Method == c.Method && m.Code == c.Code && m.Reason == c.Reason && m.Asks(c.Request)
		}) {
			t.Errorf("no consumer is tested with %q", c.Name)
		}
	}
}

// TestOrderGetsAlong runs the order service against stubs of inventory and
// payment.
func TestOrderGetsAlong(t *testing.T) {
	stock := append(OrderOfInventory(), OrderOfExpiredReservation())
	var ofInventory, ofPayment []string
	for name, c := range map[string]struct {
		item, card         string
		inventory, payment []string
		code               codes.Code
		reason             string
	}{
		"confirmed":      {"itm_coffee", "tok_visa", []string{"reserve", "confirm"}, []string{"charge"}, codes.OK, ""},
		"unknown item":   {"itm_unicorn", "tok_visa", []string{"unknown item"}, nil, codes.NotFound, platform.ReasonUnknownItem},
		"out of stock":   {"itm_gramophone", "tok_visa", []string{"out of stock"}, nil, codes.FailedPrecondition, platform.ReasonOutOfStock},
		"released":       {"itm_coffee", "tok_visa", []string{"reserve after release"}, nil, codes.FailedPrecondition, platform.ReasonReservationReleased},
		"declined":       {"itm_coffee", "tok_declined", []string{"reserve", "release"}, []string{"card declined"}, codes.FailedPrecondition, platform.ReasonCardDeclined},
		"voided":         {"itm_coffee", "tok_visa", []string{"reserve", "release"}, []string{"charge after refund"}, codes.FailedPrecondition, platform.ReasonChargeVoided},
		"psp is down":    {"itm_coffee", "tok_outage", []string{"reserve", "release"}, []string{"psp is down", "refund"}, codes.Unavailable, platform.ReasonPSPUnavailable},
		"expired":        {"itm_coffee", "tok_visa", []string{"reserve", "confirm after expiry", "release"}, []string{"charge", "refund"}, codes.FailedPrecondition, platform.ReasonReservationExpired},
		"released later": {"itm_coffee", "tok_visa", []string{"reserve", "confirm after release", "release"}, []string{"charge", "refund"}, codes.FailedPrecondition, platform.ReasonReservationReleased},
	} {
		ofInventory, ofPayment = append(ofInventory, c.inventory...), append(ofPayment, c.payment...)
		t.Run(name, func(t *testing.T) {
			inventory := startStub(t, named(t, stock, c.inventory...))
			payment := startStub(t, named(t, OrderOfPayment(), c.payment...))
			orders := orderv1.NewOrderServiceClient(dial(t, startOrder(t, noBus, inventory, payment)))
			answer, err := orders.CreateOrder(t.Context(), ordered(c.item, c.card, 0))
			reason, metadata := platform.ReasonOf(err)
			if status.Code(err) != c.code || reason != c.reason {
				t.Fatalf("%v with reason %q, want %v with %q", err, reason, c.code, c.reason)
			}
			if o := answer.GetOrder(); err == nil && (o.GetAmount() != 1890 || o.GetLines()[0].GetName() == "") {
				t.Errorf("order is %v", o)
			}
			if c.reason == platform.ReasonCardDeclined && metadata["decline_code"] != something {
				t.Errorf("declined with %v", metadata)
			}
		})
	}
	wantAllMet(t, stock, named(t, stock, ofInventory...))
	wantAllMet(t, OrderOfPayment(), named(t, OrderOfPayment(), ofPayment...))
}

// TestPaymentGetsAlong runs the payment service against a stub of psp.
func TestPaymentGetsAlong(t *testing.T) {
	all := PaymentOfPSP()
	var met []HTTPCall
	for _, c := range []struct {
		card   string
		calls  []string
		refund bool
		reason string
	}{
		{"tok_visa", []string{"charge"}, false, ""},
		{"tok_visa", []string{"charge again"}, false, ""},
		{"tok_visa", []string{"charge", "refund"}, true, ""},
		{"tok_declined", []string{"card declined"}, false, platform.ReasonCardDeclined},
		{"tok_visa", []string{"charge after refund"}, false, platform.ReasonChargeVoided},
		{"tok_outage", []string{"psp is down", "not found"}, false, platform.ReasonPSPUnavailable},
		{"tok_outage", []string{"psp is down", "found charged"}, false, ""},
		{"tok_outage", []string{"psp is down", "found declined"}, false, platform.ReasonCardDeclined},
		{"tok_outage", []string{"psp is down", "found refunded"}, false, platform.ReasonChargeVoided},
		{"tok_outage", []string{"psp is down", "found voided"}, false, platform.ReasonChargeVoided},
	} {
		var calls []HTTPCall
		for _, name := range c.calls {
			at := slices.IndexFunc(all, func(call HTTPCall) bool { return call.Name == name })
			calls = append(calls, all[at])
		}
		met = append(met, calls...)
		t.Run(strings.Join(c.calls, ", "), func(t *testing.T) {
			client := paymentv1.NewPaymentServiceClient(dial(t, startPayment(t, noBus, startHTTPStub(t, calls...))))
			answer, err := client.Charge(t.Context(), &paymentv1.ChargeRequest{
				OrderId: anOrder, Total: &paymentv1.Money{Amount: 1890, Currency: "EUR"}, CardToken: c.card,
			})
			reason, metadata := platform.ReasonOf(err)
			if reason != c.reason || (err == nil) != (c.reason == "") || err == nil && answer.GetChargeId() != something {
				t.Errorf("%v, %v; want reason %q", answer, err, c.reason)
			}
			if reason == platform.ReasonCardDeclined && metadata["decline_code"] != "insufficient_funds" {
				t.Errorf("declined with %v", metadata)
			}
			if c.refund {
				if _, err := client.Refund(t.Context(), &paymentv1.RefundRequest{OrderId: anOrder}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, c := range all {
		if !slices.ContainsFunc(met, func(m HTTPCall) bool {
			return m.Method == c.Method && m.Path == c.Path && m.Status == c.Status && reflect.DeepEqual(m.Answer, c.Answer)
		}) {
			t.Errorf("no consumer is tested with %q", c.Name)
		}
	}
}
