package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// What an order may hold. More is refused, so that no request is expensive.
const (
	maxBody     = 64 << 10
	maxItems    = 50
	maxQuantity = 1000
	maxText     = 100
)

// OrderRequest is the body of POST /api/v1/orders.
type OrderRequest struct {
	// UserID is who orders. Those who have signed in may leave it out.
	UserID string `json:"user_id"`
	// Currency after ISO 4217: EUR, USD or GBP.
	Currency string `json:"currency"`
	// CardToken stands for a card at the payment provider.
	CardToken string      `json:"card_token"`
	Items     []OrderItem `json:"items"`
	// Amount is what the customer expects to pay, in minor units (cents). The
	// order is refused if it costs anything else; without it, it is not checked.
	Amount *int64 `json:"amount"`
}

// OrderItem is one line of an order.
type OrderItem struct {
	ItemID   string `json:"item_id"`
	Quantity int64  `json:"quantity"`
}

// readOrder reads and checks the body, or returns the problem with it.
func readOrder(w http.ResponseWriter, r *http.Request) (OrderRequest, *platform.Problem) {
	var order OrderRequest
	if p := readBody(w, r, &order); p != nil {
		return order, p
	}
	if order.UserID == "" {
		order.UserID = signedIn(r.Context())
	}
	if !mayAct(r.Context(), order.UserID) {
		return order, problem(http.StatusForbidden, "not-yours", "You can order for yourself only.")
	}
	if wrong := order.validate(); len(wrong) > 0 {
		p := problem(http.StatusUnprocessableEntity, "invalid-order", "The order has fields that are missing or wrong.")
		p.Errors = wrong
		return order, p
	}
	return order, nil
}

// readBody reads a body that is one JSON object, or returns the problem with it.
func readBody(w http.ResponseWriter, r *http.Request, into any) *platform.Problem {
	if !acceptable(r.Header.Get("Content-Type")) {
		return problem(http.StatusUnsupportedMediaType, "unsupported-media-type", "The body must be application/json.")
	}
	return decodeStrictly(http.MaxBytesReader(w, r.Body, maxBody), into)
}

// acceptable says whether the body may be JSON. Beside JSON itself that is what
// `curl -d` claims of every body when nobody tells it better, and no claim at all.
func acceptable(contentType string) bool {
	if contentType == "" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mediaType == "application/json" || mediaType == "application/x-www-form-urlencoded")
}

// decodeStrictly reads exactly one JSON value without unknown fields, and without
// control characters.
func decodeStrictly(body io.Reader, into any) *platform.Problem {
	var content bytes.Buffer
	decoder := json.NewDecoder(io.TeeReader(body, &content))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		_, err = decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && legibleJSON(content.Bytes()):
			return nil
		case errors.Is(err, io.EOF):
			err = errors.New("there are control characters in it")
		case err == nil:
			err = errors.New("there is something after the JSON value")
		}
	}
	var tooLarge *http.MaxBytesError
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &tooLarge):
		return problem(http.StatusRequestEntityTooLarge, "body-too-large", fmt.Sprintf("The body is larger than %d bytes.", tooLarge.Limit))
	case errors.As(err, &syntax):
		return malformed(fmt.Sprintf("at byte %d: %s", syntax.Offset, syntax))
	case errors.As(err, &kind):
		return malformed(fmt.Sprintf("field %q is a JSON %s", kind.Field, kind.Value))
	case errors.Is(err, io.EOF):
		return malformed("it is empty")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return malformed("it ends too early")
	default:
		return malformed(strings.TrimPrefix(err.Error(), "json: "))
	}
}

func malformed(why string) *platform.Problem {
	return problem(http.StatusBadRequest, "malformed-json", "The body is not valid: "+why+".")
}

// validate lists everything that is wrong, so that a client need not ask twice.
func (o OrderRequest) validate() []platform.FieldError {
	var wrong []platform.FieldError
	add := func(pointer, detail string) {
		wrong = append(wrong, platform.FieldError{Pointer: pointer, Detail: detail})
	}
	if o.UserID == "" || len(o.UserID) > maxText {
		add("/user_id", fmt.Sprintf("is required, at most %d bytes", maxText))
	}
	if o.CardToken == "" || len(o.CardToken) > maxText {
		add("/card_token", fmt.Sprintf("is required, at most %d bytes", maxText))
	}
	switch o.Currency {
	case "EUR", "USD", "GBP":
	default:
		add("/currency", "must be EUR, USD or GBP")
	}
	if o.Amount != nil && *o.Amount <= 0 {
		add("/amount", "must be positive, in minor units")
	}
	if len(o.Items) == 0 || len(o.Items) > maxItems {
		add("/items", fmt.Sprintf("must have 1 to %d items", maxItems))
		return wrong
	}
	for i, item := range o.Items {
		if item.ItemID == "" || len(item.ItemID) > maxText {
			add(fmt.Sprintf("/items/%d/item_id", i), fmt.Sprintf("is required, at most %d bytes", maxText))
		}
		if item.Quantity <= 0 || item.Quantity > maxQuantity {
			add(fmt.Sprintf("/items/%d/quantity", i), fmt.Sprintf("must be 1 to %d", maxQuantity))
		}
	}
	return wrong
}
