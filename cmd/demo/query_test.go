package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestOrdersAreFound asks the running shop for orders as the read model has them:
// a customer's, the newest first, by status and date and not more than so many.
// The read model is thrown away meanwhile.
func TestOrdersAreFound(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--rate", "0")
	var placed []string
	for range 3 {
		got, _ := d.place(t, orderOf("usr_bruno", "tok_visa", "itm_tea"))
		var order struct{ ID string }
		if err := json.Unmarshal([]byte(got.body), &order); err != nil || got.status != http.StatusCreated {
			t.Fatalf("%d %s: %v", got.status, got.body, err)
		}
		placed = append(placed, order.ID)
	}
	slices.Reverse(placed) // The newest first.
	if got := send(t, http.MethodPost, d.gateway+"/api/v1/orders/"+placed[1]+"/cancel", "", nil); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	d.place(t, exampleOrder) // Somebody else's.
	later := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	look := func() {
		t.Helper()
		for _, c := range []struct {
			name   string
			values url.Values
			want   []string
		}{
			{"all", nil, placed},
			{"limit", url.Values{"limit": {"2"}}, placed[:2]},
			{"confirmed", url.Values{"status": {"confirmed"}}, []string{placed[0], placed[2]}},
			{"cancelled", url.Values{"status": {"cancelled"}}, placed[1:2]},
			{"before later", url.Values{"to": {later}}, placed},
			{"from later on", url.Values{"from": {later}}, nil},
		} {
			if c.values == nil {
				c.values = url.Values{}
			}
			c.values.Set("user_id", "usr_bruno")
			var got []string
			eventually(t, "list "+c.name, func() bool { got = d.list(t, c.values); return slices.Equal(c.want, got) })
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
		}
	}
	look()
	printed(t, 0, "readmodel", "rebuild", "--order", d.address(t, "order"))
	look()
}

// list is the ids of the orders that the gateway lists.
func (d running) list(t *testing.T, values url.Values) (ids []string) {
	t.Helper()
	got := get(t, d.gateway+"/api/v1/orders?"+values.Encode())
	var orders []struct{ ID string }
	if err := json.Unmarshal([]byte(got.body), &orders); err != nil || got.status != http.StatusOK {
		t.Fatalf("%d %s: %v", got.status, got.body, err)
	}
	for _, o := range orders {
		ids = append(ids, o.ID)
	}
	return ids
}
