package sink

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // clients may compress
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/tracegen/internal/rawcodec"
)

// maxRequest bounds a request, decompressed, in bytes.
const maxRequest = 64 << 20

// signals are what is taken in: the path that OTLP has over HTTP, and the
// service over gRPC.
func (s *store) signals() map[[2]string]func([]byte) error {
	return map[[2]string]func([]byte) error{
		{"/v1/traces", "trace.v1.TraceService"}:      s.take,
		{"/v1/logs", "logs.v1.LogsService"}:          s.takeLogs,
		{"/v1/metrics", "metrics.v1.MetricsService"}: s.takeMetrics,
	}
}

// newGRPC serves OTLP's three services, and does not decode what it need not.
func newGRPC(s *store) *grpc.Server {
	server := grpc.NewServer(grpc.ForceServerCodecV2(rawcodec.Codec{}), grpc.MaxRecvMsgSize(maxRequest))
	for names, take := range s.signals() {
		server.RegisterService(&grpc.ServiceDesc{
			ServiceName: "opentelemetry.proto.collector." + names[1],
			HandlerType: (*any)(nil),
			Methods: []grpc.MethodDesc{{
				MethodName: "Export",
				Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
					var request []byte
					if err := decode(&request); err != nil {
						return nil, err
					}
					if err := take(request); err != nil {
						return nil, status.Error(codes.InvalidArgument, err.Error())
					}
					return &[]byte{}, nil
				},
			}},
		}, nil)
	}
	return server
}

// newHandler serves OTLP over HTTP and Jaeger's query for a trace.
func newHandler(s *store) http.Handler {
	mux := http.NewServeMux()
	for names, take := range s.signals() {
		mux.HandleFunc("POST "+names[0], func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Content-Type") != "application/x-protobuf" {
				http.Error(w, "want application/x-protobuf", http.StatusUnsupportedMediaType)
				return
			}
			request, err := read(r)
			if err == nil {
				err = take(request)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Content-Type", "application/x-protobuf")
		})
	}
	mux.HandleFunc("GET /api/traces/{id}", func(w http.ResponseWriter, r *http.Request) { answer(s, w, r.PathValue("id")) })
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.counted()) })
	return mux
}

func read(r *http.Request) ([]byte, error) {
	body := io.Reader(r.Body)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "":
	case "gzip":
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		body = unzipped
	default:
		return nil, fmt.Errorf("content encoding %q is not known here", encoding)
	}
	request, err := io.ReadAll(io.LimitReader(body, maxRequest+1))
	if err == nil && len(request) > maxRequest {
		err = errors.New("the request is too large")
	}
	return request, err
}
