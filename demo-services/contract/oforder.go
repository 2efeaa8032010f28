package contract

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// anOrder stands for the id that the order service has chosen.
const anOrder = "ord_1"

// chosenOrder says that any will do.
func chosenOrder() []protoreflect.Name { return []protoreflect.Name{"order_id"} }

// OrderOfInventory is what the order service expects of inventory.
func OrderOfInventory() []Call {
	const (
		reserve = inventoryv1.InventoryService_Reserve_FullMethodName
		confirm = inventoryv1.InventoryService_Confirm_FullMethodName
	)
	wanted := func(item string) *inventoryv1.ReserveRequest {
		return &inventoryv1.ReserveRequest{OrderId: anOrder, Lines: []*inventoryv1.Line{{ItemId: item, Quantity: 1}}}
	}
	release := Call{
		Name: "release", Method: inventoryv1.InventoryService_Release_FullMethodName, Chosen: chosenOrder(),
		Request: &inventoryv1.ReleaseRequest{OrderId: anOrder}, Answer: &inventoryv1.ReleaseResponse{},
	}
	reserved := Call{
		Name: "reserve", Method: reserve, Chosen: chosenOrder(), Request: wanted("itm_coffee"),
		Answer: &inventoryv1.ReserveResponse{Lines: []*inventoryv1.PricedLine{
			{ItemId: "itm_coffee", Name: "Coffee beans, 1 kg", Quantity: 1, UnitPrice: 1890},
		}},
	}
	not := func(name, item, reason string, code codes.Code, given ...Call) Call {
		c := refused(name, reserve, wanted(item), &inventoryv1.ReserveResponse{}, code, reason)
		c.Chosen, c.Given = chosenOrder(), given
		return c
	}
	confirmed := Call{
		Name: "confirm", Method: confirm, Chosen: chosenOrder(), Given: []Call{reserved},
		Request: &inventoryv1.ConfirmRequest{OrderId: anOrder}, Answer: &inventoryv1.ConfirmResponse{},
	}
	late := refused("confirm after release", confirm, confirmed.Request, confirmed.Answer, codes.FailedPrecondition, platform.ReasonReservationReleased)
	late.Chosen, late.Given = chosenOrder(), []Call{reserved, release}
	again := confirmed
	again.Name, again.Given = "confirm again", []Call{reserved, confirmed}
	sold := release
	sold.Name, sold.Given = "release what is confirmed", []Call{reserved, confirmed}
	return []Call{
		reserved, confirmed, again, release, sold, late,
		not("unknown item", "itm_unicorn", platform.ReasonUnknownItem, codes.NotFound),
		not("out of stock", "itm_gramophone", platform.ReasonOutOfStock, codes.FailedPrecondition),
		not("reserve after release", "itm_coffee", platform.ReasonReservationReleased, codes.FailedPrecondition, release),
	}
}

// OrderOfExpiredReservation is what the order service expects of inventory when
// the order's reservation has expired.
func OrderOfExpiredReservation() Call {
	c := refused("confirm after expiry", inventoryv1.InventoryService_Confirm_FullMethodName,
		&inventoryv1.ConfirmRequest{OrderId: anOrder}, &inventoryv1.ConfirmResponse{}, codes.FailedPrecondition, platform.ReasonReservationExpired)
	c.Chosen, c.Given = chosenOrder(), OrderOfInventory()[:1]
	return c
}

// OrderOfPayment is what the order service expects of payment.
func OrderOfPayment() []Call {
	charge := func(token string) *paymentv1.ChargeRequest {
		return &paymentv1.ChargeRequest{OrderId: anOrder, Total: &paymentv1.Money{Amount: 1890, Currency: "EUR"}, CardToken: token}
	}
	not := func(name, token, reason string, code codes.Code, metadata ...string) Call {
		c := refused(name, paymentv1.PaymentService_Charge_FullMethodName, charge(token), &paymentv1.ChargeResponse{}, code, reason)
		c.Chosen, c.Metadata = chosenOrder(), metadata
		return c
	}
	// The order service does not read the charge's id.
	charged := Call{
		Name: "charge", Method: paymentv1.PaymentService_Charge_FullMethodName, Chosen: chosenOrder(),
		Request: charge("tok_visa"), Answer: &paymentv1.ChargeResponse{},
	}
	refund := Call{
		Name: "refund", Method: paymentv1.PaymentService_Refund_FullMethodName, Chosen: chosenOrder(), Given: []Call{charged},
		Request: &paymentv1.RefundRequest{OrderId: anOrder}, Answer: &paymentv1.RefundResponse{},
	}
	first := refund
	first.Name, first.Given = "refund before the charge", nil
	voided := not("charge after refund", "tok_visa", platform.ReasonChargeVoided, codes.FailedPrecondition)
	voided.Given = []Call{first}
	return []Call{
		charged, refund, first, voided,
		not("card declined", "tok_declined", platform.ReasonCardDeclined, codes.FailedPrecondition, "decline_code"),
		not("psp is down", "tok_outage", platform.ReasonPSPUnavailable, codes.Unavailable),
	}
}
