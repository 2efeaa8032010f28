package audit

import "testing"

func TestWhatAMessageIsAbout(t *testing.T) {
	const confirmed = `{"id":"evt_1","type":"order.confirmed","data":{"order_id":"ord_1","email":"ada@example.com"}}`
	for _, c := range []struct{ subject, payload, order, event string }{
		{"orders.confirmed", confirmed, "ord_1", "order.confirmed"},
		{"orders.confirmed", "poison: " + confirmed, "ord_1", "order.confirmed"},
		{"orders.cancelled", `{"data":{"order_id": "ord_2"`, "ord_2", "order.cancelled"},
		{"orders.created", "{", "", "order.created"},
		{"orders.confirmed", `{"type":"order.confirmed","data":{}}`, "", "order.confirmed"},
		{"weather", `"order_id":"ord_3" and so on`, "ord_3", ""},
	} {
		if order, event := about(c.subject, []byte(c.payload)); order != c.order || event != c.event {
			t.Errorf("%s %s is about %q, %q, want %q, %q", c.subject, c.payload, order, event, c.order, c.event)
		}
	}
}
