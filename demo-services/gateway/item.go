package gateway

import (
	"context"
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
	// Stock is missing while inventory does not answer; Meta.Degraded says so then.
	Stock *Stock `json:"stock,omitempty"`
}

// Stock is how much of an item can be had.
type Stock struct {
	Available int64 `json:"available"`
	SoldOut   bool  `json:"sold_out"`
}

// item is an item as the edition shows it. What is only remembered of it has no
// stock, and only editions that can say so show it at all.
func (e edition) item(it *inventoryv1.Item, remembered bool) any {
	if !e.enveloped {
		return ItemResponse{ID: it.GetId(), Name: it.GetName(), UnitPrice: it.GetUnitPrice(), Available: it.GetAvailable()}
	}
	shown := ItemResource{ID: it.GetId(), Name: it.GetName(), UnitPrice: it.GetUnitPrice()}
	if !remembered {
		shown.Stock = &Stock{Available: it.GetAvailable(), SoldOut: it.GetAvailable() == 0}
	}
	return shown
}

func (s *Server) listItems(e edition) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		query := readQuery(r)
		request := &inventoryv1.ListItemsRequest{After: query.text("after"), Limit: query.limit()}
		if s.refused(w, r, query) {
			return
		}
		ctx, cancel := s.soon(r.Context())
		defer cancel()
		answer, asked := s.items.ListItems(ctx, request)
		answer, remembered, err := s.shelf.list(request, answer, asked)
		if remembered && !e.enveloped {
			err = asked
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		items := make([]any, len(answer.GetItems()))
		for i, it := range answer.GetItems() {
			items[i] = e.item(it, remembered)
		}
		var next string
		if n := len(items); answer.GetMore() && n > 0 {
			next = e.after("items", answer.GetItems()[n-1].GetId(), request.GetLimit())
		}
		e.list(w, items, Meta{Limit: new(int(request.GetLimit())), Next: next, Degraded: s.withoutStock(r, remembered, asked)})
	}
}

func (s *Server) getItem(e edition) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := s.soon(r.Context())
		defer cancel()
		answer, asked := s.items.GetItem(ctx, &inventoryv1.GetItemRequest{ItemId: r.PathValue("id")})
		it, remembered, err := s.shelf.item(r.PathValue("id"), answer.GetItem(), asked)
		if remembered && !e.enveloped {
			err = asked
		}
		if err != nil {
			s.failAt(w, r, err, http.StatusNotFound)
			return
		}
		e.write(w, http.StatusOK, e.item(it, remembered), Meta{Degraded: s.withoutStock(r, remembered, asked)})
	}
}

// soon is a part of the time that the request has, so that there is time for an
// answer without what is asked for.
func (s *Server) soon(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.limits.Timeout/5)
}

// withoutStock is what is missing in an answer out of memory.
func (s *Server) withoutStock(r *http.Request, remembered bool, cause error) (degraded []string) {
	if !remembered {
		return nil
	}
	s.logger.WarnContext(r.Context(), "the catalogue is shown without stock", "error", cause)
	return []string{"stock"}
}
