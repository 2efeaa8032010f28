package inventory

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// How many items are listed.
const (
	defaultLimit = 50
	maxLimit     = 200
)

// ShelfItem is one item of the catalogue, and how much of it can be had.
type ShelfItem struct {
	ID   string
	Name string
	// Price is in the minor unit, as Item's.
	Price int64
	// Available is what is on the shelf and set aside for nobody.
	Available int64
}

// List reads items whose id comes after the given one, in the order of ids.
func (s *Store) List(ctx context.Context, after string, limit int) ([]ShelfItem, error) {
	return s.shelf(ctx, "WHERE id > ? ORDER BY id LIMIT ?", after, limit)
}

// Find reads one item, or returns ErrUnknownItem.
func (s *Store) Find(ctx context.Context, id string) (ShelfItem, error) {
	found, err := s.shelf(ctx, "WHERE id = ?", id)
	if err == nil && len(found) == 0 {
		err = ErrUnknownItem
	}
	if err != nil {
		return ShelfItem{}, err
	}
	return found[0], nil
}

// shelf reads the items that the rest of the statement selects.
func (s *Store) shelf(ctx context.Context, rest string, args ...any) ([]ShelfItem, error) {
	var items []ShelfItem
	err := s.db.Query(ctx, func(scan platform.Scan) error {
		var it ShelfItem
		err := scan(&it.ID, &it.Name, &it.Price, &it.Available)
		items = append(items, it)
		return err
	}, "SELECT id, name, price, available FROM items "+rest, args...)
	return items, err
}

// ListItems implements InventoryService.
func (s *Server) ListItems(ctx context.Context, r *inventoryv1.ListItemsRequest) (*inventoryv1.ListItemsResponse, error) {
	limit := int(r.GetLimit())
	if limit == 0 {
		limit = defaultLimit
	}
	if limit < 0 || limit > maxLimit {
		return nil, platform.RPCError(codes.InvalidArgument, platform.ReasonInvalid, "limit must be 0 to 200", nil)
	}
	items, err := s.store.List(ctx, r.GetAfter(), limit+1) // One more tells whether there are more.
	if err != nil {
		return nil, err
	}
	answer := &inventoryv1.ListItemsResponse{More: len(items) > limit}
	for _, it := range items[:min(len(items), limit)] {
		answer.Items = append(answer.Items, s.shown(ctx, it))
	}
	return answer, nil
}

// GetItem implements InventoryService.
func (s *Server) GetItem(ctx context.Context, r *inventoryv1.GetItemRequest) (*inventoryv1.GetItemResponse, error) {
	it, err := s.store.Find(ctx, r.GetItemId())
	if errors.Is(err, ErrUnknownItem) {
		return nil, platform.RPCError(codes.NotFound, platform.ReasonUnknownItem, err.Error(), nil)
	}
	if err != nil {
		return nil, err
	}
	return &inventoryv1.GetItemResponse{Item: s.shown(ctx, it)}, nil
}

// shown is the item as the API shows it. Where the stock is said to be gone,
// the catalogue says so as well.
func (s *Server) shown(ctx context.Context, it ShelfItem) *inventoryv1.Item {
	if s.faults.On(ctx, fault.StockGone) {
		it.Available = 0
	}
	return &inventoryv1.Item{Id: it.ID, Name: it.Name, UnitPrice: it.Price, Available: it.Available}
}
