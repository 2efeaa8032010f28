package payment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/waybill-dev/waybill/demo-services/psp"
)

// What the provider's client tells apart. Any other error is an unknown
// outcome: the money may have been taken.
var errVoided = errors.New("charge is voided")

// errUnknownCharge says that the provider has not heard of a charge, or not yet.
var errUnknownCharge = errors.New("psp does not know the charge")

// findTimeout bounds asking what has become of a charge.
const findTimeout = time.Second

// declinedError is a card that the provider refuses, for good.
type declinedError struct{ code string }

func (e *declinedError) Error() string { return "card declined: " + e.code }

// pspClient talks to the payment provider. Safe for concurrent use.
type pspClient struct {
	base    string
	http    *http.Client
	timeout time.Duration
	breaker *breaker
}

// charge takes money and returns the provider's id of the charge. It may be
// repeated with the same key.
func (c *pspClient) charge(ctx context.Context, key string, body psp.ChargeRequest) (string, error) {
	var answer psp.ChargeResponse
	refusal, err := c.post(ctx, "/charges", key, body, &answer)
	switch {
	case err != nil:
		return "", err
	case refusal.Code == "card_declined":
		return "", &declinedError{code: refusal.DeclineCode}
	case refusal.Code == "charge_voided":
		return "", errVoided
	case refusal.Code != "":
		return "", fmt.Errorf("psp answered %s: %s", refusal.Code, refusal.Message)
	}
	return answer.ID, nil
}

// refund gives the money back, whatever became of the charge with the key.
func (c *pspClient) refund(ctx context.Context, key string) error {
	var answer psp.ChargeResponse
	refusal, err := c.post(ctx, "/refunds", key, psp.RefundRequest{Key: key}, &answer)
	if err == nil && refusal.Code != "" {
		err = fmt.Errorf("psp answered %s: %s", refusal.Code, refusal.Message)
	}
	return err
}

// find asks what has become of the charge with the key. The breaker hears
// nothing of it: that a question is answered does not mean that a charge would be.
func (c *pspClient) find(ctx context.Context, key string) (found psp.StatusResponse, err error) {
	if c.breaker.open() {
		return found, errOpen
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/charges/"+url.PathEscape(key), http.NoBody)
	if err != nil {
		return found, err
	}
	refusal, err := c.do(request, &found)
	switch {
	case err != nil:
		return found, err
	case refusal.Code == "unknown_charge":
		return found, errUnknownCharge
	case refusal.Code != "":
		return found, fmt.Errorf("psp answered %s: %s", refusal.Code, refusal.Message)
	}
	return found, nil
}

// post sends one request, if the breaker lets it; see do for its answer.
func (c *pspClient) post(ctx context.Context, path, key string, body, answer any) (refusal psp.ErrorResponse, err error) {
	err = c.breaker.do(ctx, func() error {
		refusal, err = c.send(ctx, path, key, body, answer)
		return err
	})
	return refusal, err
}

func (c *pspClient) send(ctx context.Context, path, key string, body, answer any) (refusal psp.ErrorResponse, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	raw, err := json.Marshal(body)
	if err != nil {
		return refusal, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(raw))
	if err != nil {
		return refusal, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	return c.do(request, answer)
}

// do makes one request. It decodes a 2xx body into answer and a 4xx body into
// the refusal, whose Code is then never empty; any other answer, and none, is an
// error.
func (c *pspClient) do(request *http.Request, answer any) (refusal psp.ErrorResponse, err error) {
	response, err := c.http.Do(request)
	if err != nil {
		return refusal, err
	}
	defer func() { _ = response.Body.Close() }()
	limited := io.LimitReader(response.Body, 64<<10)
	if response.StatusCode/100 == 2 {
		return refusal, json.NewDecoder(limited).Decode(answer)
	}
	if err := json.NewDecoder(limited).Decode(&refusal); err != nil || refusal.Code == "" {
		refusal.Code = "http_" + strconv.Itoa(response.StatusCode)
	}
	if response.StatusCode >= http.StatusInternalServerError {
		return psp.ErrorResponse{}, fmt.Errorf("psp answered %s: %s", refusal.Code, refusal.Message)
	}
	return refusal, nil
}
