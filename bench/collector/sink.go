package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// maxMessage bounds one request, in bytes.
const maxMessage = 64 << 20

// endpoints are host and port for each transport.
type endpoints struct{ grpc, http string }

// sink is a backend that takes OTLP over both transports and hands the encoded
// requests on, with the path that they came to: exportMethod, or /v1/traces.
// What it is handed is valid until take returns.
type sink struct {
	at      endpoints
	take    func(path string, request []byte) error
	grpc    *grpc.Server
	http    *http.Server
	buffers sync.Pool
	running sync.WaitGroup
}

// startSink listens at the endpoints; an empty one is any free port.
func startSink(ctx context.Context, at endpoints, take func(path string, request []byte) error) (*sink, error) {
	s := &sink{take: take}
	forGRPC, err := listen(ctx, at.grpc)
	if err != nil {
		return nil, err
	}
	forHTTP, err := listen(ctx, at.http)
	if err != nil {
		return nil, errors.Join(err, forGRPC.Close())
	}
	s.at = endpoints{forGRPC.Addr().String(), forHTTP.Addr().String()}
	s.grpc = grpc.NewServer(grpc.ForceServerCodecV2(raw{}), grpc.MaxRecvMsgSize(maxMessage), grpc.UnknownServiceHandler(s.call))
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	s.running.Go(func() { report(s.grpc.Serve(forGRPC)) })
	s.running.Go(func() { report(s.http.Serve(forHTTP)) })
	return s, nil
}

// listen waits for the port of a sink that was stopped a moment ago.
func listen(ctx context.Context, at string) (net.Listener, error) {
	if at == "" {
		at = "127.0.0.1:0"
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at)
		if err == nil || time.Now().After(deadline) {
			return listener, err
		}
	}
}

func report(err error) {
	if err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, grpc.ErrServerStopped) {
		fmt.Fprintln(os.Stderr, "the sink:", err)
	}
}

// stop cuts off whoever is connected.
func (s *sink) stop() {
	s.grpc.Stop()
	_ = s.http.Close()
	s.running.Wait()
}

// call answers any gRPC call as if it were Export.
func (s *sink) call(_ any, stream grpc.ServerStream) error {
	var request message
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	whole := request.data.MaterializeToBuffer(mem.DefaultBufferPool())
	request.data.Free()
	path, _ := grpc.MethodFromServerStream(stream)
	err := s.take(path, whole.ReadOnlyData())
	whole.Free()
	if err != nil {
		report(err)
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return stream.SendMsg(&message{})
}

// ServeHTTP answers any request as if it were for what it is.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := s.buffers.Get().(*bytes.Buffer)
	if !ok {
		body = &bytes.Buffer{}
	}
	defer s.buffers.Put(body)
	body.Reset()
	if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxMessage)); err != nil {
		return // The sender is gone.
	}
	if err := s.take(r.URL.Path, body.Bytes()); err != nil {
		report(err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// message is the bytes of one gRPC message.
type message struct{ data mem.BufferSlice }

// raw is a codec for messages that are encoded already.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) (mem.BufferSlice, error) { return v.(*message).data, nil }

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	data.Ref()
	v.(*message).data = data
	return nil
}
