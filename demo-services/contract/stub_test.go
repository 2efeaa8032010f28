package contract

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// named picks calls.
func named(t *testing.T, calls []Call, names ...string) []Call {
	t.Helper()
	var picked []Call
	for _, name := range names {
		at := slices.IndexFunc(calls, func(c Call) bool { return c.Name == name })
		if at < 0 {
			t.Fatalf("no call is named %q", name)
		}
		picked = append(picked, calls[at])
	}
	return picked
}

// stub is a provider that answers exactly by the calls, and has each of them
// made. Anything else that it is asked fails the test.
type stub struct {
	calls []Call
	mu    sync.Mutex
	made  []bool
}

// startStub returns where the stub listens.
func startStub(t *testing.T, calls []Call) string {
	t.Helper()
	s := &stub{calls: calls, made: make([]bool, len(calls))}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.WaitForHandlers(true), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		return s.answer(t, stream)
	}))
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Errorf("stub: %v", err)
		}
		for i, made := range s.made {
			if !made {
				t.Errorf("the consumer never asks for %q", s.calls[i].Name)
			}
		}
	})
	return listener.Addr().String()
}

func (s *stub) answer(t *testing.T, stream grpc.ServerStream) error {
	t.Helper()
	method, _ := grpc.MethodFromServerStream(stream)
	for i, c := range s.calls {
		if c.Method != method {
			continue
		}
		request := c.Request.ProtoReflect().New().Interface()
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
		for ; i < len(s.calls); i++ {
			if c := s.calls[i]; c.Method == method && c.Asks(request) {
				return s.make(i, stream)
			}
		}
		t.Errorf("%s is asked for {%v}, which is not in the contract", method, request)
		return status.Error(codes.Unimplemented, "not in the contract")
	}
	t.Errorf("%s is called, and not in the contract", method)
	return status.Error(codes.Unimplemented, "not in the contract")
}

func (s *stub) make(i int, stream grpc.ServerStream) error {
	s.mu.Lock()
	s.made[i] = true
	s.mu.Unlock()
	c := s.calls[i]
	if c.Code == codes.OK {
		return stream.SendMsg(c.Answer)
	}
	metadata := map[string]string{}
	for _, key := range c.Metadata {
		metadata[key] = something
	}
	return platform.RPCError(c.Code, c.Reason, "refused by contract", metadata)
}

// startHTTPStub is such a provider over HTTP; it returns its base URL.
func startHTTPStub(t *testing.T, calls ...HTTPCall) string {
	t.Helper()
	var mu sync.Mutex
	made := make([]bool, len(calls))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if r.Method == http.MethodPost {
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Errorf("%s: %v", r.URL, err)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for i, c := range calls {
			if r.Method == c.Method && r.URL.Path == c.Path && r.Header.Get("Idempotency-Key") == c.Key && reflect.DeepEqual(body, c.Request) {
				made[i] = true
				writeAnswer(w, c)
				return
			}
		}
		t.Errorf("%s %s %v is not in the contract", r.Method, r.URL, body)
		w.WriteHeader(http.StatusNotImplemented)
	}))
	t.Cleanup(func() {
		server.Close()
		for i, c := range calls {
			if !made[i] {
				t.Errorf("the consumer never asks for %q", c.Name)
			}
		}
	})
	return server.URL
}

func writeAnswer(w http.ResponseWriter, c HTTPCall) {
	answer := map[string]any{}
	for name, value := range c.Answer {
		if value == Any {
			value = something
		}
		answer[name] = value
	}
	platform.WriteJSON(w, c.Status, answer)
}
