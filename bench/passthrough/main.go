// Command passthrough is the least that a collector can do: it takes gRPC
// calls in, and sends the bytes of each on as they came, without looking at
// them. What it costs is the limit for everything between the same two ends.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// maxMessage bounds one message, in bytes.
const maxMessage = 64 << 20

func main() {
	listen := flag.String("listen", "127.0.0.1:4317", "address to take calls at")
	to := flag.String("to", "127.0.0.1:14317", "address to send them on to")
	flag.Parse()
	if err := run(*listen, *to); err != nil {
		log.Fatal(err)
	}
}

// run serves until SIGINT or SIGTERM.
func run(listen, to string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	conn, err := grpc.NewClient(to,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(raw{}), grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	server := grpc.NewServer(
		grpc.ForceServerCodecV2(raw{}),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error { return pass(conn, stream) }))
	context.AfterFunc(ctx, server.GracefulStop)
	return server.Serve(listener)
}

// pass has one unary call answered by who is at the other end of conn.
func pass(conn *grpc.ClientConn, stream grpc.ServerStream) error {
	method, ok := grpc.Method(stream.Context())
	if !ok {
		return status.Error(codes.Internal, "a call without a method")
	}
	var request, response message
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	defer request.free()
	if err := conn.Invoke(stream.Context(), method, &request, &response); err != nil {
		return err
	}
	defer response.free()
	return stream.SendMsg(&response)
}

// message is the bytes of one message, in the buffers that they arrived in.
type message struct{ data mem.BufferSlice }

func (m *message) free() { m.data.Free() }

// raw is a codec that copies nothing.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	m := v.(*message)
	m.data.Ref() // The transport frees what it has sent.
	return m.data, nil
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	data.Ref()
	v.(*message).data = data
	return nil
}
