package audit

import (
	"context"
	"encoding/json"
	"regexp"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Told are how many events of each type the bus has of one order.
type Told map[string]int

// orderID finds whose a message is although nobody can read it.
var orderID = regexp.MustCompile(`"order_id":\s*"([^"]+)"`)

// about is the order that a message on the subject is about, and the type of its
// event. A message that can't be read may show its order all the same: it is on
// the bus, and whoever could not read it has it with the dead letters.
func about(subject string, payload []byte) (order, eventType string) {
	var e struct {
		Type string `json:"type"`
		Data struct {
			OrderID string `json:"order_id"`
		} `json:"data"`
	}
	if json.Unmarshal(payload, &e) == nil {
		return e.Data.OrderID, e.Type
	}
	if found := orderID.FindSubmatch(payload); found != nil {
		order = string(found[1])
	}
	for _, known := range []string{platform.EventOrderCreated, platform.EventOrderConfirmed, platform.EventOrderCancelled} {
		if on, err := platform.SubjectOf(known); err == nil && on == subject {
			eventType = known
		}
	}
	return order, eventType
}

// ReadBus adds to the books what the bus of the server at url knows: the events
// of each order, unless it has dropped some, and the dead letters.
func (b *Books) ReadBus(ctx context.Context, url string) error {
	told := map[string]Told{}
	complete, err := platform.ReadStream(ctx, url, platform.StreamOrders, func(subject string, payload []byte) {
		order, eventType := about(subject, payload)
		if order == "" {
			return
		}
		if told[order] == nil {
			told[order] = Told{}
		}
		told[order][eventType]++
	})
	if err != nil {
		return err
	}
	if complete {
		b.Told = told
	}
	return b.readLetters(ctx, url)
}

// readLetters counts the dead letters about each order that its customer was to
// be told of.
func (b *Books) readLetters(ctx context.Context, url string) error {
	letters, err := platform.OpenDeadLetters(url)
	if err != nil {
		return err
	}
	defer letters.Close()
	all, err := letters.List(ctx, 0, 1<<20)
	if err != nil {
		return err
	}
	for _, l := range all {
		if order, _ := about(l.Subject, l.Payload); l.Consumer == "notification" && order != "" {
			b.Letters[order]++
		}
	}
	return nil
}
