package gateway

import (
	"context"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// OrderResponse is an order as clients of v1 see it.
type OrderResponse struct {
	ID string `json:"id"`
	// Status is pending, confirmed, cancelling, cancelled, shipped or delivered.
	Status string `json:"status"`
	// Reason says why the order was cancelled, as a problem's code does.
	Reason string `json:"reason,omitempty"`
	// Parked says that the order is cancelling and stays so until a person has
	// looked into it.
	Parked   bool   `json:"parked,omitempty"`
	UserID   string `json:"user_id"`
	Currency string `json:"currency"`
	// Amount is in minor units (cents).
	Amount    int64       `json:"amount"`
	Items     []OrderLine `json:"items"`
	CreatedAt time.Time   `json:"created_at"`
	UpdatedAt time.Time   `json:"updated_at"`
}

// OrderLine is one item of an order, with its price.
type OrderLine struct {
	ItemID    string `json:"item_id"`
	Name      string `json:"name,omitempty"`
	Quantity  int64  `json:"quantity"`
	UnitPrice int64  `json:"unit_price"`
}

// OrderResource is an order as clients of v2 see it.
type OrderResource struct {
	OrderResponse
	// Version counts the order's changes; a client that changes it may say
	// which version it has seen.
	Version int64 `json:"version"`
	// Customer is who has placed the order. It is missing in lists, and while
	// the user service does not answer; Meta.Degraded says so then.
	Customer *UserResource `json:"customer,omitempty"`
}

// order is an order as the edition shows it.
func (e edition) order(o *orderv1.Order, customer *userv1.User) any {
	body := orderBody(o)
	if !e.enveloped {
		return body
	}
	resource := OrderResource{OrderResponse: body, Version: o.GetVersion()}
	if customer != nil {
		resource.Customer = &UserResource{ID: customer.GetId(), Profile: profile(customer)}
	}
	return resource
}

func orderBody(o *orderv1.Order) OrderResponse {
	body := OrderResponse{
		ID:     o.GetId(),
		Status: strings.ToLower(strings.TrimPrefix(o.GetStatus().String(), "STATUS_")),
		Reason: strings.ToLower(strings.ReplaceAll(o.GetReason(), "_", "-")),
		Parked: o.GetParked(),
		UserID: o.GetUserId(), Currency: o.GetCurrency(), Amount: o.GetAmount(),
		Items:     make([]OrderLine, 0, len(o.GetLines())),
		CreatedAt: o.GetCreatedAt().AsTime(), UpdatedAt: o.GetUpdatedAt().AsTime(),
	}
	for _, line := range o.GetLines() {
		body.Items = append(body.Items, OrderLine{
			ItemID: line.GetItemId(), Name: line.GetName(), Quantity: line.GetQuantity(), UnitPrice: line.GetUnitPrice(),
		})
	}
	return body
}

func (s *Server) createOrder(e edition) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, wrong := readOrder(w, r)
		if wrong != nil {
			platform.WriteProblem(w, r, *wrong)
			return
		}
		user, err := s.users.ValidateUser(r.Context(), &userv1.ValidateUserRequest{UserId: body.UserID})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		request := &orderv1.CreateOrderRequest{
			UserId: body.UserID, Email: user.GetUser().GetEmail(), Currency: body.Currency, CardToken: body.CardToken,
		}
		if body.Amount != nil {
			request.ExpectedAmount = *body.Amount
		}
		for _, item := range body.Items {
			request.Lines = append(request.Lines, &orderv1.Line{ItemId: item.ItemID, Quantity: item.Quantity})
		}
		answer, err := s.orders.CreateOrder(r.Context(), request)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("Location", "/api/"+e.name+"/orders/"+answer.GetOrder().GetId())
		e.write(w, http.StatusCreated, e.order(answer.GetOrder(), user.GetUser()), Meta{})
	}
}

func (s *Server) getOrder(e edition) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if o, found := s.findOrder(w, r); found {
			s.showOrder(w, r, e, o)
		}
	}
}

// findOrder reads the order that the path names, or answers why it can't. The
// order of somebody else is not there for who has signed in.
func (s *Server) findOrder(w http.ResponseWriter, r *http.Request) (o *orderv1.Order, found bool) {
	answer, err := s.orders.GetOrder(r.Context(), &orderv1.GetOrderRequest{OrderId: r.PathValue("id")})
	if err == nil && !mayAct(r.Context(), answer.GetOrder().GetUserId()) {
		err = platform.RPCError(codes.NotFound, platform.ReasonUnknownOrder, "unknown order", nil)
	}
	if err != nil {
		s.fail(w, r, err)
		return nil, false
	}
	return answer.GetOrder(), true
}

func (s *Server) cancelOrder(e edition) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if signedIn(r.Context()) != "" {
			if _, found := s.findOrder(w, r); !found {
				return
			}
		}
		answer, err := s.orders.CancelOrder(r.Context(), &orderv1.CancelOrderRequest{OrderId: r.PathValue("id")})
		if err != nil {
			s.fail(w, r, err)
			return
		}
		o := answer.GetOrder()
		if o.GetStatus() == orderv1.Status_STATUS_CANCELLING {
			// What is still to be given back may be parked, which only the order
			// itself tells.
			found := false
			if o, found = s.findOrder(w, r); !found {
				return
			}
		}
		s.showOrder(w, r, e, o)
	}
}

// showOrder answers with an order, and in v2 with its customer, or without
// when they can't be had: an order is worth showing alone.
func (s *Server) showOrder(w http.ResponseWriter, r *http.Request, e edition, o *orderv1.Order) {
	var customer *userv1.User
	var meta Meta
	if e.enveloped {
		var err error
		if customer, err = s.customer(r.Context(), o.GetUserId()); err != nil {
			s.logger.WarnContext(r.Context(), "order is shown without its customer", "order_id", o.GetId(), "error", err)
			meta.Degraded = []string{"customer"}
		}
	}
	e.write(w, http.StatusOK, e.order(o, customer), meta)
}

// customer asks for a user, for a part of the time that the request has, so
// that there is an answer without.
func (s *Server) customer(ctx context.Context, id string) (*userv1.User, error) {
	ctx, cancel := s.soon(ctx)
	defer cancel()
	answer, err := s.users.GetUser(ctx, &userv1.GetUserRequest{UserId: id})
	if err != nil {
		return nil, err
	}
	return answer.GetUser(), nil
}

func (s *Server) listOrders(e edition) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := readQuery(r)
		request := &orderv1.ListOrdersRequest{
			UserId: query.text("user_id"), Status: query.status(),
			From: query.moment("from"), To: query.moment("to"), Limit: query.limit(),
		}
		if s.refused(w, r, query) {
			return
		}
		if id := signedIn(r.Context()); id != "" && request.GetUserId() == "" {
			request.UserId = id
		}
		if !mayAct(r.Context(), request.GetUserId()) {
			platform.WriteProblem(w, r, *problem(http.StatusForbidden, "not-yours", "You can list your own orders only."))
			return
		}
		answer, err := s.orders.ListOrders(r.Context(), request)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		orders := make([]any, len(answer.GetOrders()))
		for i, o := range answer.GetOrders() {
			orders[i] = e.order(o, nil)
		}
		e.list(w, orders, Meta{Limit: new(int(request.GetLimit()))})
	}
}
