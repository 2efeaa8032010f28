package contract

// HTTPCall is a request that a consumer makes of a provider over HTTP, and what
// it counts on in the answer.
type HTTPCall struct {
	// Name tells it from the consumer's other calls of the provider.
	Name string
	// Given are the calls that have been made before.
	Given  []HTTPCall
	Method string
	Path   string
	// Key is the Idempotency-Key, or empty.
	Key string
	// Request is the whole body, or nil.
	Request map[string]any
	Status  int
	// Answer has what the consumer reads of the body. Any stands for whatever
	// text the provider chooses.
	Answer map[string]any
}

// Any is a text that the provider chooses, and that is not empty.
const Any = "<any>"

// Lacks says what the consumer counts on and is not in the answer's body.
func (c HTTPCall) Lacks(body map[string]any) []string {
	var all []string
	for name, want := range c.Answer {
		got := body[name]
		if text, is := got.(string); got != want && (want != Any || !is || text == "") {
			all = append(all, name+" is not as expected")
		}
	}
	return all
}

// PaymentOfPSP is what the payment service expects of the payment provider.
func PaymentOfPSP() []HTTPCall {
	charge := func(name, token string, status int, answer map[string]any, given ...HTTPCall) HTTPCall {
		return HTTPCall{
			Name: name, Given: given, Method: "POST", Path: "/charges", Key: anOrder, Status: status, Answer: answer,
			Request: map[string]any{"amount": 1890.0, "currency": "EUR", "card_token": token},
		}
	}
	find := func(name string, status int, answer map[string]any, given ...HTTPCall) HTTPCall {
		return HTTPCall{Name: name, Given: given, Method: "GET", Path: "/charges/" + anOrder, Status: status, Answer: answer}
	}
	// What a refund has found is not read: it is settled, whatever it was.
	refund := func(name string, given ...HTTPCall) HTTPCall {
		return HTTPCall{
			Name: name, Given: given, Method: "POST", Path: "/refunds", Key: anOrder, Status: 200,
			Request: map[string]any{"idempotency_key": anOrder},
		}
	}
	declinedCard := map[string]any{"code": "card_declined", "decline_code": "insufficient_funds"}
	captured := charge("charge", "tok_visa", 201, map[string]any{"id": Any})
	declined := charge("card declined", "tok_declined", 402, declinedCard)
	voided := refund("refund before the charge")
	refunded := refund("refund", captured)
	return []HTTPCall{
		captured, declined, refunded, voided,
		charge("charge again", "tok_visa", 200, map[string]any{"id": Any}, captured),
		charge("charge after refund", "tok_visa", 409, map[string]any{"code": "charge_voided"}, voided),
		// What is 5xx has no outcome, whatever the body says.
		charge("psp is down", "tok_outage", 503, nil),
		find("found charged", 200, map[string]any{"id": Any, "status": "CAPTURED"}, captured),
		find("found declined", 200, map[string]any{"id": Any, "status": "DECLINED", "decline_code": "insufficient_funds"}, declined),
		find("found refunded", 200, map[string]any{"id": Any, "status": "REFUNDED"}, captured, refunded),
		find("found voided", 200, map[string]any{"id": Any, "status": "VOIDED"}, voided),
		find("not found", 404, map[string]any{"code": "unknown_charge"}),
	}
}
