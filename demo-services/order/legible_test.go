package order

import (
	"testing"

	"google.golang.org/grpc/codes"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// TestControlCharacters has them in every text that a client may write, and the same
// answers on both databases, one of which can't hold a NUL.
func TestControlCharacters(t *testing.T) {
	w := newWorld(t)
	for _, mark := range []string{"\x00", "\n", "\x7f", "\u0085"} {
		for name, spoil := range map[string]func(*orderv1.CreateOrderRequest){
			"user_id":    func(r *orderv1.CreateOrderRequest) { r.UserId += mark },
			"email":      func(r *orderv1.CreateOrderRequest) { r.Email += mark },
			"currency":   func(r *orderv1.CreateOrderRequest) { r.Currency += mark },
			"card_token": func(r *orderv1.CreateOrderRequest) { r.CardToken += mark },
			"item_id":    func(r *orderv1.CreateOrderRequest) { r.Lines[0].ItemId += mark },
		} {
			request := &orderv1.CreateOrderRequest{
				UserId: "usr_ada", Email: "ada@example.com", Currency: "EUR", CardToken: psp.TokenVisa,
				Lines: []*orderv1.Line{{ItemId: "mug", Quantity: 1}},
			}
			spoil(request)
			_, err := w.server.CreateOrder(t.Context(), request)
			wantError(t, name, err, codes.InvalidArgument, platform.ReasonInvalid)
		}
		id := w.mustPlace(t, 1).GetId() + mark
		for name, err := range map[string]error{
			"GetOrder":     second(w.server.GetOrder(t.Context(), &orderv1.GetOrderRequest{OrderId: id})),
			"CancelOrder":  second(w.cancel(t.Context(), id, 0)),
			"ChangeStatus": second(w.change(t.Context(), id, orderv1.Status_STATUS_SHIPPED, 0)),
			"ResumeSaga":   second(w.server.ResumeSaga(t.Context(), &orderv1.ResumeSagaRequest{OrderId: id})),
		} {
			wantError(t, name, err, codes.NotFound, platform.ReasonUnknownOrder)
		}
		_, err := w.server.GetHistory(t.Context(), &orderv1.GetHistoryRequest{UserId: "usr_ada" + mark})
		wantError(t, "GetHistory", err, codes.NotFound, platform.ReasonUnknownUser)
		_, err = w.server.ListOrders(t.Context(), &orderv1.ListOrdersRequest{UserId: "usr_ada" + mark})
		wantError(t, "ListOrders", err, codes.InvalidArgument, platform.ReasonInvalid)
	}
	if n, err := w.stock.Available(t.Context(), "mug"); err != nil || n != 6 {
		t.Errorf("%d mugs are left (%v), want the 6 that the good orders have left", n, err)
	}
}

func second[T any](_ T, err error) error { return err }
