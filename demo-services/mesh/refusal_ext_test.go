package mesh_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/mesh/control"
)

// wantRefusals compares the counter of what the instance has refused.
func wantRefusals(t *testing.T, s *served, series string) {
	t.Helper()
	const head = "# HELP shop_mesh_refusals_total Connections and calls that the mesh has refused.\n# TYPE shop_mesh_refusals_total counter\n"
	if err := testutil.CollectAndCompare(s.Collectors()[0], strings.NewReader(head+series+"\n")); err != nil {
		t.Error(err)
	}
}

func TestCallsThatThePolicyDenies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	spans := tracetest.NewSpanRecorder()
	s := w.serve(t, "inventory", "inventory-1", "v1", spans)
	w.directory.set("inventory", s.Instance)

	if err := reserve(t, dial(t, w.member(t, "order", "order-1"), "inventory")); err != nil {
		t.Fatalf("the order service: %v", err)
	}
	gateway := dial(t, w.member(t, "gateway", "gateway-1"), "inventory")
	if err := reserve(t, gateway); status.Code(err) != codes.PermissionDenied {
		t.Errorf("the gateway: %v, want PermissionDenied", err)
	}
	if n := s.calls.Load(); n != 1 {
		t.Errorf("%d calls got through, want 1", n)
	}
	wantRefusals(t, s, `shop_mesh_refusals_total{caller="gateway",reason="policy",rpc_method="shop.inventory.v1.InventoryService/Reserve"} 1`)
	// Whether the server is well everybody may ask; it has no such service here.
	if _, err := grpc_health_v1.NewHealthClient(gateway).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("health: %v", err)
	}
	var events [][2]string
	eventually(t, "span of the refusal", func() bool {
		events = nil
		for _, span := range spans.Ended() {
			for _, event := range span.Events() {
				if event.Name == mesh.EventRefused {
					events = append(events, [2]string{event.Attributes[0].Value.AsString(), event.Attributes[1].Value.AsString()})
				}
			}
		}
		return len(events) > 0
	})
	if diff := cmp.Diff([][2]string{{"gateway", "policy"}}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// forged is a certificate with the order service's id, signed by the parent, or
// by itself.
func forged(t *testing.T, parent *control.Authority) tls.Certificate {
	t.Helper()
	if parent != nil {
		return issued(t, parent, time.Hour)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), URIs: []*url.URL{{Scheme: "spiffe", Host: "shop.waybill", Path: "/service/order"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// issued is a certificate of the order service.
func issued(t *testing.T, authority *control.Authority, lifetime time.Duration) tls.Certificate {
	t.Helper()
	der, secret, err := authority.Issue("order", lifetime)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestStrangers has the address of a service called by all who are not to.
func TestStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	other, err := control.OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// The server's own certificate is not what is looked at here.
	with := func(certificates ...tls.Certificate) credentials.TransportCredentials {
		return credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, Certificates: certificates})
	}
	good := issued(t, w.authority, time.Hour)
	for _, c := range []struct {
		name  string
		creds credentials.TransportCredentials
		in    bool
	}{
		{"no TLS", insecure.NewCredentials(), false},
		{"no certificate", with(), false},
		{"signed by itself", with(forged(t, nil)), false},
		{"another authority's", with(forged(t, other)), false},
		// It has ended in the second in which it was made.
		{"expired", with(issued(t, w.authority, time.Nanosecond)), false},
		{"the order service's", with(good), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := w.serve(t, "inventory", "inventory-1", "v1")
			conn, err := grpc.NewClient(s.Address, grpc.WithTransportCredentials(c.creds))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
			err = reserve(t, conn)
			if c.in {
				if err != nil || s.calls.Load() != 1 {
					t.Errorf("%v after %d calls", err, s.calls.Load())
				}
				return
			}
			if status.Code(err) != codes.Unavailable || s.calls.Load() != 0 {
				t.Errorf("%v after %d calls, want that nothing gets through", err, s.calls.Load())
			}
			eventually(t, "count of it", func() bool {
				return testutil.CollectAndCount(s.Collectors()[0]) == 1 // the series of reason="certificate"
			})
		})
	}
}

// TestServerWithAnothersID has the registry say of the inventory that it is
// payment: callers are not taken in.
func TestServerWithAnothersID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	s := w.serve(t, "inventory", "inventory-1", "v1")
	w.directory.set("payment", s.Instance)
	err := charge(t, dial(t, w.member(t, "order", "order-1"), "payment"))
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "spiffe://shop.waybill/service/inventory") {
		t.Errorf("%v, want that the server is not believed", err)
	}
	if n := s.calls.Load(); n != 0 {
		t.Errorf("%d calls got through", n)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for name, c := range map[string]struct {
		token, service, want string
	}{
		"none":              {"", "order", "context deadline exceeded"},
		"unknown":           {control.NewToken(), "order", "context deadline exceeded"},
		"another service's": {w.config.Tokens["payment"], "order", "the token makes this spiffe://shop.waybill/service/payment"},
		"no service's name": {w.config.Tokens["order"], "../order", "can't be called"},
	} {
		t.Run(name, func(t *testing.T) {
			config := w.memberConfig(t, "order")
			config.Token = c.token
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			m, err := mesh.Join(ctx, config, c.service, "x-1", slog.New(slog.DiscardHandler))
			if err == nil {
				_ = m.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if c.token != "" && err != nil && strings.Contains(err.Error(), c.token) {
				t.Error("the error tells the token")
			}
		})
	}
	if n := testutil.ToFloat64(w.plane.Collectors()[1]); n < 2 {
		t.Errorf("%v refusals are counted, want 2 at least", n)
	}
}

// TestNobodyElsesControlPlane has a member meet one of another authority.
func TestNobodyElsesControlPlane(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t, nil), newWorld(t, nil)
	config := w.memberConfig(t, "order")
	config.Address = other.plane.Addr().String()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if m, err := mesh.Join(ctx, config, "order", "order-1", slog.New(slog.DiscardHandler)); err == nil {
		_ = m.Close()
		t.Error("the member has joined")
	}
	if n := testutil.ToFloat64(other.plane.Collectors()[1]); n != 0 {
		t.Errorf("the token was told %v times", n)
	}
}
