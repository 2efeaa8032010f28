package contract

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// TestProvidersDoWhatIsExpected asks the real services. Each call has a service
// of its own, with nothing in its database but what is given; only the user
// service, whose start takes a password's hash, is the same for all its calls.
func TestProvidersDoWhatIsExpected(t *testing.T) {
	users := dial(t, startUser(t, noBus))
	for pair, c := range map[string]struct {
		calls []Call
		start func(t *testing.T) *grpc.ClientConn
	}{
		"gateway of user": {GatewayOfUser(), func(*testing.T) *grpc.ClientConn { return users }},
		"gateway of order": {GatewayOfOrder(), func(t *testing.T) *grpc.ClientConn {
			t.Helper()
			return dial(t, startOrders(t, noBus))
		}},
		"gateway of inventory": {GatewayOfInventory(), func(t *testing.T) *grpc.ClientConn {
			t.Helper()
			return dial(t, startInventory(t, noBus, time.Hour))
		}},
		"order of inventory": {OrderOfInventory(), func(t *testing.T) *grpc.ClientConn {
			t.Helper()
			return dial(t, startInventory(t, noBus, time.Hour))
		}},
		"order of payment": {OrderOfPayment(), func(t *testing.T) *grpc.ClientConn {
			t.Helper()
			return dial(t, startPayment(t, noBus, "http://"+startPSP(t).Addr().String()))
		}},
	} {
		for _, call := range c.calls {
			t.Run(pair+"/"+call.Name, func(t *testing.T) {
				conn := c.start(t)
				call = given(t, conn, call)
				if call.Later {
					eventually(t, func() string { return differs(t, conn, call) })
				} else if wrong := differs(t, conn, call); wrong != "" {
					t.Error(wrong)
				}
			})
		}
	}
}

// TestInventoryTellsOfExpiry is one more of inventory's calls, whose state
// takes a clock.
func TestInventoryTellsOfExpiry(t *testing.T) {
	host := startInventory(t, noBus, -time.Second)
	call := given(t, dial(t, host), OrderOfExpiredReservation())
	eventually(t, func() string {
		if metrics := page(t, "http://"+host.AdminAddr().String()+"/metrics"); !strings.Contains(metrics, "shop_reservations_expired_total 1\n") {
			return "the reservation does not expire"
		}
		return ""
	})
	if wrong := differs(t, dial(t, host), call); wrong != "" {
		t.Error(wrong)
	}
}

func page(t *testing.T, url string) string {
	t.Helper()
	_, body := ask(t, HTTPCall{Method: http.MethodGet}, url)
	return body
}

// given makes the calls that come before, and returns the call with the id of
// the order that one of them has made.
func given(t *testing.T, conn *grpc.ClientConn, c Call) Call {
	t.Helper()
	id := ""
	for _, before := range c.Given {
		answer, err := invoke(t, conn, before.WithOrder(id))
		if err != nil {
			t.Fatalf("%s: %v", before.Method, err)
		}
		if made, is := answer.(interface{ GetOrder() *orderv1.Order }); is {
			id = cmp.Or(made.GetOrder().GetId(), id)
		}
	}
	return c.WithOrder(id)
}

func invoke(t *testing.T, conn *grpc.ClientConn, c Call) (proto.Message, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answer := c.Answer.ProtoReflect().New().Interface()
	err := conn.Invoke(ctx, c.Method, c.Request, answer)
	return answer, err
}

// differs says how the provider's answer is not as expected.
func differs(t *testing.T, conn *grpc.ClientConn, c Call) string {
	t.Helper()
	answer, err := invoke(t, conn, c)
	reason, metadata := platform.ReasonOf(err)
	if status.Code(err) != c.Code || reason != c.Reason {
		return fmt.Sprintf("%s answers %v with reason %q (%v), want %v with %q", c.Method, status.Code(err), reason, err, c.Code, c.Reason)
	}
	for _, key := range c.Metadata {
		if metadata[key] == "" {
			return fmt.Sprintf("%s answers without %s: %v", c.Method, key, err)
		}
	}
	if err != nil {
		return ""
	}
	return strings.Join(c.Lacks(answer), "\n")
}

// TestPSPDoesWhatIsExpected asks the real provider over HTTP.
func TestPSPDoesWhatIsExpected(t *testing.T) {
	for _, call := range PaymentOfPSP() {
		t.Run(call.Name, func(t *testing.T) {
			base := "http://" + startPSP(t).Addr().String()
			for _, before := range call.Given {
				ask(t, before, base+before.Path)
			}
			answered, raw := ask(t, call, base+call.Path)
			var body map[string]any
			if err := json.Unmarshal([]byte(raw), &body); err != nil {
				t.Fatalf("%q: %v", raw, err)
			}
			if lacks := call.Lacks(body); answered != call.Status || len(lacks) > 0 {
				t.Errorf("%d %s, want %d; %v", answered, raw, call.Status, lacks)
			}
		})
	}
}

// ask makes the request, of any URL.
func ask(t *testing.T, c HTTPCall, url string) (answered int, body string) {
	t.Helper()
	var content io.Reader = http.NoBody
	if c.Request != nil {
		raw, err := json.Marshal(c.Request)
		if err != nil {
			t.Fatal(err)
		}
		content = strings.NewReader(string(raw))
	}
	request, err := http.NewRequestWithContext(t.Context(), c.Method, url, content)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if c.Key != "" {
		request.Header.Set("Idempotency-Key", c.Key)
	}
	return send(t, request)
}

// send makes a request and reads the answer's body.
func send(t *testing.T, request *http.Request) (answered int, body string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(raw)
}

// TestAnswersThatDifferAreFound makes sure that the tests above can fail.
func TestAnswersThatDifferAreFound(t *testing.T) {
	var shown Call
	for _, c := range GatewayOfOrder() {
		if c.Name == "shown" {
			shown = c
		}
	}
	for name, change := range map[string]func(o *orderv1.Order){
		"":                         func(o *orderv1.Order) { o.Parked, o.Version, o.CreatedAt = true, 9, o.GetUpdatedAt() },
		"/order/amount":            func(o *orderv1.Order) { o.Amount = 1 },
		"/order/user_id":           func(o *orderv1.Order) { o.UserId = "" },
		"/order/created_at":        func(o *orderv1.Order) { o.CreatedAt = nil },
		"/order/lines has":         func(o *orderv1.Order) { o.Lines = append(o.Lines, &orderv1.Line{}) },
		"/order/lines/0/item_id":   func(o *orderv1.Order) { o.Lines[0].ItemId = "itm_tea" },
		"/order/lines/0/name is m": func(o *orderv1.Order) { o.Lines[0].Name = "" },
	} {
		answer, ok := proto.Clone(shown.Answer).(*orderv1.GetOrderResponse)
		if !ok {
			t.Fatalf("answer is %T", shown.Answer)
		}
		change(answer.GetOrder())
		if got := strings.Join(shown.Lacks(answer), "\n"); !strings.HasPrefix(got, name) || (got == "") != (name == "") {
			t.Errorf("%q, want %q", got, name)
		}
	}
	if !shown.Asks(&orderv1.GetOrderRequest{OrderId: GivenOrder}) || shown.Asks(&orderv1.GetOrderRequest{}) ||
		shown.Asks(&orderv1.GetOrderRequest{OrderId: "ord_2"}) {
		t.Error("requests are not told apart")
	}
	charge := PaymentOfPSP()[0]
	if len(charge.Lacks(map[string]any{"id": "ch_1", "more": true})) != 0 || len(charge.Lacks(map[string]any{"id": ""})) != 1 {
		t.Error("bodies are not told apart")
	}
}
