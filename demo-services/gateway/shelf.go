package gateway

import (
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
)

// What is remembered of the catalogue at most: pages, and items.
const (
	maxPages = 100
	maxShelf = 5000
)

// page is what a list was asked by.
type page struct {
	after string
	limit int32
}

// shelf remembers what the catalogue was last seen to have, so that it can be
// shown without stock while inventory does not answer: names and prices change
// seldom. Safe for concurrent use.
type shelf struct {
	mu    sync.Mutex
	pages map[page]*inventoryv1.ListItemsResponse
	items map[string]*inventoryv1.Item
}

func newShelf() *shelf {
	return &shelf{pages: map[page]*inventoryv1.ListItemsResponse{}, items: map[string]*inventoryv1.Item{}}
}

// list returns the answer to the request, or in its place what was answered
// before if inventory is away: remembered says which.
func (s *shelf) list(r *inventoryv1.ListItemsRequest, answer *inventoryv1.ListItemsResponse, err error) (
	known *inventoryv1.ListItemsResponse, remembered bool, _ error,
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := page{r.GetAfter(), r.GetLimit()}
	return recall(s.pages, maxPages, key, answer, err)
}

// item does the same for one item.
func (s *shelf) item(id string, answer *inventoryv1.Item, err error) (known *inventoryv1.Item, remembered bool, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return recall(s.items, maxShelf, id, answer, err)
}

// recall remembers an answer under its key, or finds the one of before. What is
// too much is forgotten, whichever it is.
func recall[K comparable, V any](all map[K]V, most int, key K, answer V, err error) (known V, remembered bool, _ error) {
	if err == nil {
		if _, there := all[key]; !there && len(all) >= most {
			for one := range all {
				delete(all, one)
				break
			}
		}
		all[key] = answer
		return answer, false, nil
	}
	if before, there := all[key]; there && away(err) {
		return before, true, nil
	}
	return answer, false, err
}

// away says whether a service has not answered at all.
func away(err error) bool {
	code := status.Code(err)
	return code == codes.Unavailable || code == codes.DeadlineExceeded
}
