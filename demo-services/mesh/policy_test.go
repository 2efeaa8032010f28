package mesh

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	notificationv1 "github.com/waybill-dev/waybill/demo-services/api/notification/v1"
	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	paymentv1 "github.com/waybill-dev/waybill/demo-services/api/payment/v1"
	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
)

func TestAllows(t *testing.T) {
	policy, err := ShopPolicy()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		service, caller, method string
		want                    bool
	}{
		{"inventory", "order", "/shop.inventory.v1.InventoryService/Reserve", true},
		{"inventory", "gateway", "/shop.inventory.v1.InventoryService/Reserve", false},
		{"inventory", "", "/shop.inventory.v1.InventoryService/Reserve", false},
		{"payment", "order", "/shop.inventory.v1.InventoryService/Reserve", false},
		{"payment", "order", "/shop.payment.v1.PaymentService/Charge", true},
		{"payment", "order", "/shop.payment.v1.PaymentService/charge", false},
		{"order", "gateway", "/shop.order.v1.OrderService/RebuildReadModel", false},
		{"order", "gateway", "/grpc.health.v1.Health/Watch", true},
		{"order", "", "/grpc.health.v1.Health/Watch", false},
		{"order", "gateway", "/grpc.health.v1.HealthOfSomebody/Watch", false},
	} {
		if got := policy.Allows(c.service, c.caller, c.method); got != c.want {
			t.Errorf("%s may call %s of %s: %v, want %v", c.caller, c.method, c.service, got, c.want)
		}
	}
	if (Policy{}).Allows("inventory", "order", "shop.inventory.v1.InventoryService/Reserve") {
		t.Error("no policy allows a call")
	}
}

// TestPolicyIsAboutWhatThereIs finds rules of methods that have another name.
func TestPolicyIsAboutWhatThereIs(t *testing.T) {
	there := map[string]bool{}
	for service, desc := range map[string]grpc.ServiceDesc{
		"user": userv1.UserService_ServiceDesc, "order": orderv1.OrderService_ServiceDesc,
		"inventory": inventoryv1.InventoryService_ServiceDesc, "payment": paymentv1.PaymentService_ServiceDesc,
		"notification": notificationv1.NotificationService_ServiceDesc,
	} {
		for _, method := range desc.Methods {
			there[service+" "+desc.ServiceName+"/"+method.MethodName] = true
		}
	}
	policy, err := ShopPolicy()
	if err != nil {
		t.Fatal(err)
	}
	for r := range policy.allowed {
		if strings.HasPrefix(r.method, methodHTTP) {
			there[r.service+" "+r.method] = r.service == "gateway"
		}
		if !there[r.service+" "+r.method] {
			t.Errorf("%s has no method %s", r.service, r.method)
		}
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"a: {b: [c]}":            "is no method",
		"a: {b: [x.Y/*]}":        "is no method",
		"a: {b: [HTTP x]}":       "is no method",
		"a: {b: [HTTP /x/*]}":    "is no method",
		"a: {b: [/x.Y/Z]}":       "is no method",
		"a: {b: [x.Y/Z/W]}":      "is no method",
		"a: {B: [x.Y/Z]}":        "can't be called",
		"../a: {b: [x.Y/Z]}":     "can't be called",
		"a: [x.Y/Z]":             "read policy",
		"a: {b: [x.Y/Z]}\na: {}": "read policy",
	} {
		if _, err := ParsePolicy([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if policy, err := ParsePolicy(nil); err != nil || len(policy.allowed) != 0 {
		t.Errorf("nothing: %v, %v", policy, err)
	}
}

// TestCertificateEndsDuringAConnection is the guard's own look: connections end
// before certificates do.
func TestCertificateEndsDuringAConnection(t *testing.T) {
	policy, err := ShopPolicy()
	if err != nil {
		t.Fatal(err)
	}
	m := &Member{config: Config{Policy: policy}, service: "inventory", refused: newRefusals()}
	calling := func(id string, ends time.Time) context.Context {
		u, err := url.Parse(id)
		if err != nil {
			t.Fatal(err)
		}
		leaf := &x509.Certificate{URIs: []*url.URL{u}, NotAfter: ends}
		return peer.NewContext(t.Context(), &peer.Peer{AuthInfo: credentials.TLSInfo{State: tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}}})
	}
	later, earlier := time.Now().Add(time.Hour), time.Now().Add(-time.Second)
	for _, c := range []struct {
		name string
		ctx  context.Context
		want codes.Code
	}{
		{"good", calling("spiffe://shop.waybill/service/order", later), codes.OK},
		{"ended", calling("spiffe://shop.waybill/service/order", earlier), codes.Unauthenticated},
		{"no service", calling("spiffe://shop.waybill/node/order", later), codes.Unauthenticated},
		{"another domain", calling("spiffe://shop.example/service/order", later), codes.Unauthenticated},
		{"no id", calling("https://shop.waybill/service/order", later), codes.Unauthenticated},
		{"no TLS", peer.NewContext(t.Context(), &peer.Peer{}), codes.Unauthenticated},
		{"nobody", t.Context(), codes.Unauthenticated},
	} {
		if got := status.Code(m.check(c.ctx, "/shop.inventory.v1.InventoryService/Reserve")); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
