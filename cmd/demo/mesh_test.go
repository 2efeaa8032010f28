package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
)

// TestMesh places orders in a shop in a mesh, whose payments all go to the
// canary, and has somebody who is no member call a service.
func TestMesh(t *testing.T) {
	before := goroutines()
	d := startDemo(t, "--rate", "0", "--mesh", "--canary", "100")
	got, id := d.place(t, exampleOrder)
	if got.status != http.StatusCreated {
		t.Fatalf("%d %s", got.status, got.body)
	}
	tr := wantTrace(t, d.viewer, id, confirmedOrder)
	callers := map[string]string{}
	for _, s := range tr.Spans {
		p := tr.Processes[s.ProcessID]
		if caller, is := s.tag("mesh.caller").(string); is {
			callers[p.ServiceName] = caller
		}
		for _, tag := range p.Tags {
			if p.ServiceName == "payment" && tag.Key == "service.version" && tag.Value != "v2" {
				t.Errorf("payment %v has got the call, want v2", tag.Value)
			}
		}
	}
	want := map[string]string{"user": "gateway", "order": "gateway", "inventory": "order", "payment": "order"}
	if diff := cmp.Diff(want, callers); diff != "" {
		t.Errorf("callers (-want +got):\n%s", diff)
	}
	testRefusedOrder(t, d, orderOf("usr_ada", "tok_declined", "itm_tea"), http.StatusPaymentRequired, "card-declined", declinedOrder)

	conn, err := grpc.NewClient(d.address(t, "order"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	var order struct{ ID string }
	if err := json.Unmarshal([]byte(got.body), &order); err != nil {
		t.Fatal(err)
	}
	answer, err := orderv1.NewOrderServiceClient(conn).GetOrder(t.Context(), &orderv1.GetOrderRequest{OrderId: order.ID})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("who is no member is answered %v, %v", answer, err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}

	// Who runs the shop looks into it as the operator, and as nobody else.
	if out := printed(t, 0, "saga", "list", "--mesh", d.address(t, "mesh")); !strings.HasPrefix(out, "ORDER") {
		t.Errorf("saga list prints %q", out)
	}
	if out := printed(t, 0, "mail", "list", "--mesh", d.address(t, "mesh")); !strings.HasPrefix(out, "EVENT") {
		t.Errorf("mail list prints %q", out)
	}
	printed(t, 1, "saga", "list", "--order", d.address(t, "order"))

	exit, took := d.stop(t)
	if exit != 0 || took > stopBound {
		t.Errorf("stopped with %d after %v, want 0 within %v", exit, took, stopBound)
	}
	if errs := d.errs.String(); errs != "" {
		t.Errorf("stderr:\n%s", errs)
	}
	// gRPC's xDS client goes on to look at the authority's file: it builds the
	// credentials once more than it closes them, and shares them. The operator's
	// is another file.
	wantNoMoreGoroutines(t, before+2)
}

func TestCanaryIsAShare(t *testing.T) {
	errs := &output{}
	if got := (command{getenv: environment{}.lookup, stdout: errs, stderr: errs}).run(t.Context(), []string{"--mesh", "--canary", "101"}); got != 2 {
		t.Errorf("it ends with %d, want 2: %s", got, errs)
	}
}
