package inventory

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// TestItemsAreListed reads the catalogue part by part, with what orders have
// left of it.
func TestItemsAreListed(t *testing.T) {
	s := newStore(t)
	server := NewServer(s, slog.New(slog.DiscardHandler))
	if _, err := s.Reserve(t.Context(), "o1", []Line{{ItemID: "mug", Quantity: 3}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	var parts []*inventoryv1.ListItemsResponse
	for more, after := true, ""; more; {
		answer, err := server.ListItems(t.Context(), &inventoryv1.ListItemsRequest{After: after, Limit: 2})
		if err != nil || len(answer.GetItems()) == 0 {
			t.Fatal(answer, err)
		}
		parts = append(parts, answer)
		more, after = answer.GetMore(), answer.GetItems()[len(answer.GetItems())-1].GetId()
	}
	want := []*inventoryv1.ListItemsResponse{
		{More: true, Items: []*inventoryv1.Item{{Id: "gone", Name: "Gone", UnitPrice: 1}, {Id: "mug", Name: "Mug", UnitPrice: 500, Available: 7}}},
		{Items: []*inventoryv1.Item{{Id: "pot", Name: "Pot", UnitPrice: 900, Available: 2}}},
	}
	if diff := cmp.Diff(want, parts, protocmp.Transform()); diff != "" {
		t.Errorf("items (-want +got):\n%s", diff)
	}
	for _, limit := range []int32{-1, maxLimit + 1} {
		if _, err := server.ListItems(t.Context(), &inventoryv1.ListItemsRequest{Limit: limit}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("limit %d: %v", limit, err)
		}
	}
}

func TestItemIsShown(t *testing.T) {
	server := NewServer(newStore(t), slog.New(slog.DiscardHandler))
	answer, err := server.GetItem(t.Context(), &inventoryv1.GetItemRequest{ItemId: "pot"})
	want := &inventoryv1.Item{Id: "pot", Name: "Pot", UnitPrice: 900, Available: 2}
	if diff := cmp.Diff(want, answer.GetItem(), protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	_, err = server.GetItem(t.Context(), &inventoryv1.GetItemRequest{ItemId: "unicorn"})
	if reason, _ := platform.ReasonOf(err); status.Code(err) != codes.NotFound || reason != platform.ReasonUnknownItem {
		t.Errorf("unknown item: %v with reason %q", err, reason)
	}
}

// TestGoneStockIsNotOffered has the catalogue agree with what Reserve answers.
func TestGoneStockIsNotOffered(t *testing.T) {
	server := NewServer(newStore(t), slog.New(slog.DiscardHandler))
	flags, err := fault.Open(filepath.Join(t.TempDir(), "faults.json"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	server.faults = flags
	for _, on := range []bool{true, false} {
		if err := flags.Set(fault.StockGone, on); err != nil {
			t.Fatal(err)
		}
		answer, err := server.GetItem(t.Context(), &inventoryv1.GetItemRequest{ItemId: "pot"})
		if err != nil || (answer.GetItem().GetAvailable() == 0) != on {
			t.Errorf("with the stock gone = %t: %v, %v", on, answer, err)
		}
	}
}
