package gateway

import (
	"net/http"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
)

// ItemResponse is something that the shop sells, as clients of v1 see it.
type ItemResponse struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// UnitPrice is in minor units (cents) of whichever currency it is ordered in.
	UnitPrice int64 `json:"unit_price"`
	// Available is how many pieces can be ordered now.
	Available int64 `json:"available"`
}

// ItemResource is the same as clients of v2 see it.
type ItemResource struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	UnitPrice int64  `json:"unit_price"`
	Stock     Stock  `json:"stock"`
}

// Stock is how much of an item can be had.
type Stock struct {
	Available int64 `json:"available"`
	SoldOut   bool  `json:"sold_out"`
}

// item is an item as the edition shows it.
func (e edition) item(it *inventoryv1.Item) any {
	if !e.enveloped {
		return ItemResponse{ID: it.GetId(), Name: it.GetName(), UnitPrice: it.GetUnitPrice(), Available: it.GetAvailable()}
	}
	return ItemResource{
		ID: it.GetId(), Name: it.GetName(), UnitPrice: it.GetUnitPrice(),
		Stock: Stock{Available: it.GetAvailable(), SoldOut: it.GetAvailable() == 0},
	}
}

func (s *Server) listItems(e edition) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := readQuery(r)
		request := &inventoryv1.ListItemsRequest{After: query.text("after"), Limit: query.limit()}
		if s.refused(w, r, query) {
			return
		}
		answer, err := s.items.ListItems(r.Context(), request)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		items := make([]any, len(answer.GetItems()))
		for i, it := range answer.GetItems() {
			items[i] = e.item(it)
		}
		var next string
		if n := len(items); answer.GetMore() && n > 0 {
			next = e.after("items", answer.GetItems()[n-1].GetId(), request.GetLimit())
		}
		e.list(w, items, int(request.GetLimit()), next)
	}
}

func (s *Server) getItem(e edition) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		answer, err := s.items.GetItem(r.Context(), &inventoryv1.GetItemRequest{ItemId: r.PathValue("id")})
		if err != nil {
			s.failAt(w, r, err, http.StatusNotFound)
			return
		}
		e.write(w, http.StatusOK, e.item(answer.GetItem()), Meta{})
	}
}
