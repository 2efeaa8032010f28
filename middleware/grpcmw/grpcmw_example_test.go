package grpcmw_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/waybill-dev/waybill/middleware"
	"github.com/waybill-dev/waybill/middleware/grpcmw"
)

// A server and its client, each with what one call gives.
func Example() {
	if err := serveAndCall(context.Background()); err != nil {
		log.Print(err)
	}
	// Output:
	// answered
	// rpc_client_call_duration_seconds
	// rpc_server_call_duration_seconds
}

func serveAndCall(ctx context.Context) error {
	// Without an environment the collector is expected at 127.0.0.1:4318.
	nothing := func(string) (string, bool) { return "", false }
	telemetry, err := middleware.Setup(ctx, middleware.WithServiceName("order"), middleware.WithGetenv(nothing),
		middleware.WithLogWriter(nil), middleware.WithoutGlobals())
	if err != nil {
		return err
	}

	observeServer, err := grpcmw.ServerOptions(grpcmw.WithTelemetry(telemetry), grpcmw.WithRecovery())
	if err != nil {
		return err
	}
	server := grpc.NewServer(observeServer...)
	testpb.RegisterTestServiceServer(server, &service{})
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = server.Serve(listener) }()

	observeClient, err := grpcmw.DialOptions(grpcmw.WithTelemetry(telemetry))
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(listener.Addr().String(),
		append(observeClient, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		return err
	}
	if _, err := testpb.NewTestServiceClient(conn).UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
		return err
	}
	fmt.Println("answered")
	server.GracefulStop()

	families, err := telemetry.Gatherer().Gather()
	for _, family := range families {
		if family.GetName()[:4] == "rpc_" {
			fmt.Println(family.GetName())
		}
	}
	return err
}
