package shopper

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// visitor is somebody in the shop.
type visitor struct {
	*shopper
	visit
	token string // of who has signed in
	page  int    // how many they have seen
}

// serve has one visitor look around and, if they have come to buy, place an
// order, look at it, and think better of it.
func (s *shopper) serve(ctx context.Context, v visit) {
	s.tally.inside.Add(1)
	defer s.tally.inside.Add(-1)
	who := &visitor{shopper: s, visit: v}
	total := int64(0)
	if s.config.Browse {
		total = who.browse(ctx)
	}
	if !v.buys {
		if ctx.Err() == nil {
			s.tally.add(looked)
		}
		return
	}
	who.token = s.signIn(ctx, v.order.UserID)
	if location := who.buy(ctx, total); location != "" {
		who.reconsider(ctx, location)
	}
}

// open makes one request, and stays at what comes for a while.
func (v *visitor) open(ctx context.Context, method, path string, body []byte) (reply, error) {
	answer, err := v.send(ctx, call{method, path, v.token, body})
	switch {
	case err == nil:
		v.note(nil)
		v.think(ctx)
	case ctx.Err() == nil: // Otherwise the demo ends, and nobody is to blame.
		v.note(err)
	}
	return answer, err
}

// think is the pause that people make before they go on.
func (v *visitor) think(ctx context.Context) {
	pause := time.Duration(v.pauses[v.page%len(v.pauses)] * float64(v.config.Think))
	v.page++
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// browse looks at the catalogue, and at each of the items that the visitor has
// in mind. It returns what they cost together, or 0 if one of them can't be
// seen: people order what they know although the catalogue is away.
func (v *visitor) browse(ctx context.Context) (total int64) {
	base := "/api/" + v.version + "/items"
	if answer, err := v.open(ctx, http.MethodGet, base, nil); err != nil || answer.status != http.StatusOK {
		return 0
	}
	all := true
	for _, item := range v.order.Items {
		answer, err := v.open(ctx, http.MethodGet, base+"/"+item.ItemID, nil)
		price := priceIn(answer)
		all = all && err == nil && price > 0
		total += price * item.Quantity
	}
	if !all {
		return 0
	}
	return total
}

// priceIn is what the item costs that was shown, in minor units; 0 if none was.
func priceIn(r reply) int64 {
	type priced struct {
		UnitPrice int64 `json:"unit_price"`
	}
	var item struct {
		priced
		Data priced `json:"data"` // in v2
	}
	if r.status != http.StatusOK || json.Unmarshal(r.body, &item) != nil {
		return 0
	}
	return item.UnitPrice + item.Data.UnitPrice
}

// buy places the order, and returns where it is if it is confirmed.
func (v *visitor) buy(ctx context.Context, total int64) (location string) {
	answer, err := v.open(ctx, http.MethodPost, "/api/"+v.version+"/orders", v.body(total))
	switch {
	case err != nil && ctx.Err() != nil:
	case err != nil || answer.status >= http.StatusInternalServerError:
		v.tally.add(failed)
	case answer.status == http.StatusCreated:
		v.tally.add(confirmed)
		return answer.location
	default:
		v.tally.add(refused)
	}
	return ""
}

// reconsider looks at the order, cancels it, or does neither.
func (v *visitor) reconsider(ctx context.Context, location string) {
	if v.looks {
		_, _ = v.open(ctx, http.MethodGet, location, nil) // open has noted what went wrong
	}
	if v.cancels && ctx.Err() == nil {
		_, _ = v.open(ctx, http.MethodPost, location+"/cancel", nil)
	}
}
