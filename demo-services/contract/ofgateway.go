package contract

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// sometime and something stand for what the provider chooses.
func sometime() *timestamppb.Timestamp { return &timestamppb.Timestamp{Seconds: 1_790_000_000} }

const something = "something"

// refused is a call that is answered with a reason.
func refused(name, method string, request, answer proto.Message, code codes.Code, reason string) Call {
	return Call{Name: name, Method: method, Request: request, Answer: answer, Code: code, Reason: reason}
}

// ada is what the gateway reads of a user.
func ada() *userv1.User {
	return &userv1.User{Id: "usr_ada", Name: "Ada Lindqvist", Email: "ada@example.com", CreatedAt: sometime()}
}

// GatewayOfUser is what the gateway expects of the user service.
func GatewayOfUser() []Call {
	const (
		validate = userv1.UserService_ValidateUser_FullMethodName
		get      = userv1.UserService_GetUser_FullMethodName
		register = userv1.UserService_RegisterUser_FullMethodName
		signIn   = userv1.UserService_SignIn_FullMethodName
	)
	when := []protoreflect.Name{"created_at"}
	taken := &userv1.RegisterUserRequest{Name: "Ada", Email: "ada@example.com", Password: "long enough"}
	short := &userv1.RegisterUserRequest{Name: "Zoe", Email: "zoe@example.com", Password: "short"}
	return []Call{
		{
			Name: "user may order", Method: validate, Chosen: when,
			Request: &userv1.ValidateUserRequest{UserId: "usr_ada"}, Answer: &userv1.ValidateUserResponse{User: ada()},
		},
		refused("unknown user may not", validate, &userv1.ValidateUserRequest{UserId: "usr_nobody"}, &userv1.ValidateUserResponse{},
			codes.NotFound, platform.ReasonUnknownUser),
		refused("blocked user may not", validate, &userv1.ValidateUserRequest{UserId: "usr_mallory"}, &userv1.ValidateUserResponse{},
			codes.FailedPrecondition, platform.ReasonUserBlocked),
		{
			Name: "user", Method: get, Chosen: when,
			Request: &userv1.GetUserRequest{UserId: "usr_ada"}, Answer: &userv1.GetUserResponse{User: ada()},
		},
		{
			Name: "blocked user", Method: get,
			Request: &userv1.GetUserRequest{UserId: "usr_mallory"}, Answer: &userv1.GetUserResponse{User: &userv1.User{Id: "usr_mallory", Blocked: true}},
		},
		refused("unknown user", get, &userv1.GetUserRequest{UserId: "usr_nobody"}, &userv1.GetUserResponse{}, codes.NotFound, platform.ReasonUnknownUser),
		{
			Name: "users", Method: userv1.UserService_ListUsers_FullMethodName, Chosen: when,
			Request: &userv1.ListUsersRequest{Limit: 1}, Answer: &userv1.ListUsersResponse{Users: []*userv1.User{ada()}, More: true},
		},
		{
			Name: "register", Method: register, Chosen: []protoreflect.Name{"id", "created_at"},
			Request: &userv1.RegisterUserRequest{Name: "Zoe", Email: "zoe@example.com", Password: "long enough"},
			Answer:  &userv1.RegisterUserResponse{User: &userv1.User{Id: "usr_zoe", Name: "Zoe", Email: "zoe@example.com", CreatedAt: sometime()}},
		},
		refused("email is taken", register, taken, &userv1.RegisterUserResponse{}, codes.AlreadyExists, platform.ReasonEmailTaken),
		refused("short password", register, short, &userv1.RegisterUserResponse{}, codes.InvalidArgument, platform.ReasonInvalid),
		{
			Name: "sign in", Method: signIn, Chosen: []protoreflect.Name{"token", "expires_at"},
			Given: []Call{registered("yan@example.com")}, Request: signedIn("yan@example.com").Request,
			Answer: &userv1.SignInResponse{Token: something, ExpiresAt: sometime(), User: &userv1.User{Email: "yan@example.com"}},
		},
		refused("wrong password", signIn, &userv1.SignInRequest{Email: "ada@example.com", Password: "a guess"}, &userv1.SignInResponse{},
			codes.Unauthenticated, platform.ReasonWrongCredentials),
		{
			Name: "signing keys", Method: userv1.UserService_SigningKeys_FullMethodName, Chosen: []protoreflect.Name{"id", "public_key"},
			Given:   []Call{registered("xin@example.com"), signedIn("xin@example.com")}, // The key is made when somebody needs it.
			Request: &userv1.SigningKeysRequest{},
			Answer:  &userv1.SigningKeysResponse{Keys: []*userv1.SigningKey{{Id: something, PublicKey: make([]byte, 32)}}},
		},
	}
}

// registered is a user who has come.
func registered(email string) Call {
	return Call{
		Method:  userv1.UserService_RegisterUser_FullMethodName,
		Request: &userv1.RegisterUserRequest{Name: "Yan", Email: email, Password: "long enough"}, Answer: &userv1.RegisterUserResponse{},
	}
}

// signedIn is that user's sign-in.
func signedIn(email string) Call {
	return Call{
		Method:  userv1.UserService_SignIn_FullMethodName,
		Request: &userv1.SignInRequest{Email: email, Password: "long enough"}, Answer: &userv1.SignInResponse{},
	}
}

// ordered is the gateway's request for one piece of an item.
func ordered(item, token string, expected int64) *orderv1.CreateOrderRequest {
	return &orderv1.CreateOrderRequest{
		UserId: "usr_ada", Email: "ada@example.com", Currency: "EUR", CardToken: token, ExpectedAmount: expected,
		Lines: []*orderv1.Line{{ItemId: item, Quantity: 1}},
	}
}

// coffee is what the gateway reads of an order.
func coffee(id string, status orderv1.Status, reason string, version int64) *orderv1.Order {
	return &orderv1.Order{
		Id: id, UserId: "usr_ada", Status: status, Reason: reason, Currency: "EUR", Amount: 1890, Version: version,
		Lines:     []*orderv1.Line{{ItemId: "itm_coffee", Name: "Coffee beans, 1 kg", Quantity: 1, UnitPrice: 1890}},
		CreatedAt: sometime(), UpdatedAt: sometime(),
	}
}

// GatewayOfOrder is what the gateway expects of the order service.
func GatewayOfOrder() []Call {
	const (
		create = orderv1.OrderService_CreateOrder_FullMethodName
		get    = orderv1.OrderService_GetOrder_FullMethodName
		cancel = orderv1.OrderService_CancelOrder_FullMethodName
	)
	moments := []protoreflect.Name{"created_at", "updated_at", "version"}
	made := append([]protoreflect.Name{"id"}, moments...)
	confirmed, none := orderv1.Status_STATUS_CONFIRMED, &orderv1.CreateOrderResponse{}
	placed := Call{Method: create, Request: ordered("itm_coffee", "tok_visa", 0), Answer: none}
	shipped := Call{
		Method: orderv1.OrderService_ChangeStatus_FullMethodName, Answer: &orderv1.ChangeStatusResponse{},
		Request: &orderv1.ChangeStatusRequest{OrderId: GivenOrder, Status: orderv1.Status_STATUS_SHIPPED},
	}
	failed := func(name string, request *orderv1.CreateOrderRequest, code codes.Code, reason string) Call {
		c := refused(name, create, request, none, code, reason)
		c.Metadata = []string{"order_id"}
		return c
	}
	return []Call{
		{
			Name: "order", Method: create, Chosen: made,
			Request: ordered("itm_coffee", "tok_visa", 1890), Answer: &orderv1.CreateOrderResponse{Order: coffee("ord_new", confirmed, "", 4)},
		},
		failed("unknown item", ordered("itm_unicorn", "tok_visa", 0), codes.NotFound, platform.ReasonUnknownItem),
		failed("out of stock", ordered("itm_gramophone", "tok_visa", 0), codes.FailedPrecondition, platform.ReasonOutOfStock),
		failed("amount differs", ordered("itm_coffee", "tok_visa", 1), codes.FailedPrecondition, platform.ReasonAmountMismatch),
		failed("card declined", ordered("itm_coffee", "tok_declined", 0), codes.FailedPrecondition, platform.ReasonCardDeclined),
		failed("psp is down", ordered("itm_coffee", "tok_outage", 0), codes.Unavailable, platform.ReasonPSPUnavailable),
		{
			Name: "shown", Method: get, Chosen: moments, Given: []Call{placed},
			Request: &orderv1.GetOrderRequest{OrderId: GivenOrder}, Answer: &orderv1.GetOrderResponse{Order: coffee(GivenOrder, confirmed, "", 4)},
		},
		refused("unknown order", get, &orderv1.GetOrderRequest{OrderId: "ord_unknown"}, &orderv1.GetOrderResponse{},
			codes.NotFound, platform.ReasonUnknownOrder),
		{
			Name: "listed", Method: orderv1.OrderService_ListOrders_FullMethodName, Chosen: moments, Given: []Call{placed}, Later: true,
			Request: &orderv1.ListOrdersRequest{UserId: "usr_ada", Status: confirmed, Limit: 5},
			Answer:  &orderv1.ListOrdersResponse{Orders: []*orderv1.Order{coffee(GivenOrder, confirmed, "", 4)}},
		},
		{
			Name: "cancelled", Method: cancel, Chosen: moments, Given: []Call{placed},
			Request: &orderv1.CancelOrderRequest{OrderId: GivenOrder},
			Answer: &orderv1.CancelOrderResponse{
				Order: coffee(GivenOrder, orderv1.Status_STATUS_CANCELLED, platform.ReasonCancelledByCustomer, 8),
			},
		},
		{
			Name: "shipped is not cancelled", Method: cancel, Given: []Call{placed, shipped}, Metadata: []string{"order_id"},
			Request: &orderv1.CancelOrderRequest{OrderId: GivenOrder + "_shipped"}, Answer: &orderv1.CancelOrderResponse{},
			Code: codes.FailedPrecondition, Reason: platform.ReasonStatusConflict,
		},
	}
}

// chocolate is what the gateway reads of an item: the first in the order of ids.
func chocolate() *inventoryv1.Item {
	return &inventoryv1.Item{Id: "itm_chocolate", Name: "Dark chocolate, 12 bars", UnitPrice: 3600, Available: 1000}
}

// GatewayOfInventory is what the gateway expects of the inventory service.
func GatewayOfInventory() []Call {
	const (
		list = inventoryv1.InventoryService_ListItems_FullMethodName
		get  = inventoryv1.InventoryService_GetItem_FullMethodName
	)
	return []Call{
		{
			Name: "items", Method: list,
			Request: &inventoryv1.ListItemsRequest{Limit: 1}, Answer: &inventoryv1.ListItemsResponse{Items: []*inventoryv1.Item{chocolate()}, More: true},
		},
		{
			Name: "last items", Method: list,
			Request: &inventoryv1.ListItemsRequest{After: "itm_tray", Limit: 50}, Answer: &inventoryv1.ListItemsResponse{},
		},
		{
			Name: "item", Method: get,
			Request: &inventoryv1.GetItemRequest{ItemId: "itm_chocolate"}, Answer: &inventoryv1.GetItemResponse{Item: chocolate()},
		},
		refused("unknown item", get, &inventoryv1.GetItemRequest{ItemId: "itm_unicorn"}, &inventoryv1.GetItemResponse{},
			codes.NotFound, platform.ReasonUnknownItem),
	}
}

// GatewayOfParkedOrder is one more of order's calls: what becomes of an order
// whose stock can't be had, and nothing can be given back either. Its state
// takes an inventory that is down.
func GatewayOfParkedOrder() Call {
	return Call{
		Name: "parked", Method: orderv1.OrderService_GetOrder_FullMethodName, Later: true,
		Request: &orderv1.GetOrderRequest{OrderId: GivenOrder},
		Answer: &orderv1.GetOrderResponse{Order: &orderv1.Order{
			Id: GivenOrder, Status: orderv1.Status_STATUS_CANCELLING, Reason: platform.ReasonInventoryUnavailable, Parked: true,
		}},
	}
}
