package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/gateway"
)

// serviceAt is where a tool finds a service: at an address, or in the mesh, where
// the tool is the operator.
type serviceAt struct{ service, standard, address, invitation string }

// serviceFlags are flags that say where a service is, which alone on this machine is
// at the standard address.
func (c command) serviceFlags(flags *flag.FlagSet, service, standard string) *serviceAt {
	at := &serviceAt{service: service, standard: standard}
	flags.StringVar(&at.address, service, c.env(strings.ToUpper(service)+"_ADDR", ""),
		"`host:port` of the "+service+" service; the demo prints its own (default "+standard+", or wherever the mesh finds it)")
	flags.StringVar(&at.invitation, "mesh", c.env("MESH_DIR", ""), "the `directory` of the operator's invitation to the mesh, if the shop is in one; the demo prints its own")
	return at
}

// ask calls a running service.
func (c command) ask(ctx context.Context, at *serviceAt, ask func(context.Context, grpc.ClientConnInterface) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, toolTimeout)
	defer cancel()
	address, options := cmp.Or(at.address, at.standard), []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if at.invitation != "" {
		member, err := c.join(ctx, at.invitation, operator, fmt.Sprintf("%s-%d", operator, os.Getpid()), slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, member.Close()) }()
		address = cmp.Or(at.address, meshTarget(at.service))
		if options, err = member.DialOptions(at.service); err != nil {
			return err
		}
	}
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		return usageError{fmt.Errorf("--%s: %w", at.service, err)}
	}
	defer func() { _ = conn.Close() }() // Nothing is under way any more.
	return ask(ctx, conn)
}

func (c command) ordersFlags(flags *flag.FlagSet) *serviceAt {
	return c.serviceFlags(flags, "order", gateway.DefaultConfig().OrderAddr)
}

// askOrders calls a running order service.
func (c command) askOrders(ctx context.Context, at *serviceAt, ask func(context.Context, orderv1.OrderServiceClient) error) error {
	return c.ask(ctx, at, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		return ask(ctx, orderv1.NewOrderServiceClient(conn))
	})
}
