package contract

import "github.com/waybill-dev/waybill/demo-services/platform"

// EventNeed is what a consumer needs of an event's data.
type EventNeed struct {
	Consumer string
	Type     string
	Version  int
	// Fields are the properties of data that the consumer reads.
	Fields []string
}

// EventNeeds are those of all consumers. None reads anything else.
func EventNeeds() []EventNeed {
	return []EventNeed{
		{"notification", platform.EventOrderConfirmed, 1, []string{"order_id", "email", "currency", "amount"}},
		{"notification", platform.EventOrderCancelled, 1, []string{"order_id", "email", "currency", "amount", "reason"}},
		{"order", platform.EventUserCreated, 1, []string{"user_id"}},
	}
}
