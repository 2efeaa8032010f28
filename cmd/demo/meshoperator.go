package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/gateway"
)

// ordersAt is where a tool finds the order service: at an address, or in the
// mesh, where the tool is the operator.
type ordersAt struct{ address, invitation string }

func (c command) ordersFlags(flags *flag.FlagSet) *ordersAt {
	at := &ordersAt{}
	flags.StringVar(&at.address, "order", c.env("ORDER_ADDR", ""),
		"`host:port` of the order service; the demo prints its own (default "+gateway.DefaultConfig().OrderAddr+", or wherever the mesh finds it)")
	flags.StringVar(&at.invitation, "mesh", c.env("MESH_DIR", ""), "the `directory` of the operator's invitation to the mesh, if the shop is in one; the demo prints its own")
	return at
}

// askOrders calls a running order service.
func (c command) askOrders(ctx context.Context, at *ordersAt, ask func(context.Context, orderv1.OrderServiceClient) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, toolTimeout)
	defer cancel()
	address, options := cmp.Or(at.address, gateway.DefaultConfig().OrderAddr), []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if at.invitation != "" {
		member, err := c.join(ctx, at.invitation, operator, fmt.Sprintf("%s-%d", operator, os.Getpid()), slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, member.Close()) }()
		address = cmp.Or(at.address, meshTarget("order"))
		if options, err = member.DialOptions("order"); err != nil {
			return err
		}
	}
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		return usageError{fmt.Errorf("--order: %w", err)}
	}
	defer func() { _ = conn.Close() }() // Nothing is under way any more.
	return ask(ctx, orderv1.NewOrderServiceClient(conn))
}
