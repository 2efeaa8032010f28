// Package fault is what may go wrong in the shop at the press of a button. Each
// fault is a feature flag of OpenFeature's, kept in a file in the format of
// flagd, so that a flagd, a person with an editor, `demo fault` and the viewer's
// page all switch the same thing. A service asks, where it matters, whether a
// fault is on; the span of whoever asks says so when it is.
package fault

import "slices"

// Faults, by the keys of their flags.
const (
	CardsDeclined  = "cards-declined"
	PSPSlow        = "psp-slow"
	PSPDown        = "psp-down"
	StockGone      = "stock-gone"
	SlowDatabase   = "slow-database"
	PoisonMessage  = "poison-message"
	ServiceCutOff  = "service-cut-off"
	RetryStorm     = "retry-storm"
	SlowConsumer   = "slow-consumer"
	InstanceKilled = "instance-killed"
)

// KilledInstance is the one that InstanceKilled kills.
const KilledInstance = "inventory-2"

// Fault is one thing that may go wrong.
type Fault struct {
	// Key is the flag's.
	Key string `json:"key"`
	// Service is where it happens.
	Service string `json:"service"`
	Title   string `json:"title"`
	// Effect says what a person will see.
	Effect string `json:"effect"`
}

// All are the faults, in the order in which the tour meets them.
func All() []Fault {
	return []Fault{
		{CardsDeclined, "psp", "Cards declined", "The payment provider declines every card: orders are cancelled, their stock is released, the gateway answers 402."},
		{PSPSlow, "psp", "Payment provider slow", "The provider takes two seconds longer: the charge is the longest span of every order."},
		{PSPDown, "psp", "Payment provider down", "The provider answers 503: after five failures the circuit breaker opens, and orders fail at once, without a call."},
		{RetryStorm, "psp", "Retry storm", "The provider fails every other charge: each order calls payment again, and a trace has all the attempts."},
		{StockGone, "inventory", "Stock gone", "Inventory has nothing left: orders are cancelled before anything is charged, the gateway answers 409."},
		{ServiceCutOff, "inventory", "Inventory cut off", "Calls of inventory fail as if the network were cut: the gateway answers 503, and nothing is half done."},
		{InstanceKilled, "inventory", "Instance killed", "One of the two instances of inventory dies without a word: calls go on to the other, and no order is lost. Switched off, it starts again."},
		{SlowDatabase, "order", "Slow database", "Every statement of the order service takes 50 ms longer: a trace shows how many there are."},
		{SlowConsumer, "notification", "Slow consumer", "Notification takes a second for each event: the way from the producer's span to the consumer's grows."},
		{PoisonMessage, "order", "Poison messages", "Events of confirmed orders can't be read: they go to the dead letters, and the customers hear nothing."},
	}
}

// Find is the fault with the key.
func Find(key string) (Fault, bool) {
	all := All()
	i := slices.IndexFunc(all, func(f Fault) bool { return f.Key == key })
	if i < 0 {
		return Fault{}, false
	}
	return all[i], true
}
