package psp

// Card tokens with a meaning, for tests and for the shopper. Any other token
// is a good card.
const (
	TokenVisa     = "tok_visa"
	TokenDeclined = "tok_declined"
	TokenStolen   = "tok_stolen"
	// TokenOutage makes the provider answer 503, as if it were down.
	TokenOutage = "tok_outage"
)

// Limit is the largest amount that one charge may have, in minor units.
const Limit = 500_000

// decline says why the provider refuses a charge; empty means that it does not.
func decline(token string, amount int64) string {
	switch {
	case token == TokenDeclined:
		return "insufficient_funds"
	case token == TokenStolen:
		return "stolen_card"
	case amount > Limit:
		return "limit_exceeded"
	}
	return ""
}
