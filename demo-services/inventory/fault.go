package inventory

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/demo-services/fault"
)

// cutOff answers every call as if the network were cut, while the fault is on.
func cutOff(faults *fault.Flags) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		if faults.On(ctx, fault.ServiceCutOff) {
			return nil, status.Error(codes.Unavailable, "the network is cut")
		}
		return handle(ctx, request)
	}
}
