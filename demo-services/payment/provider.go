package payment

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/waybill-dev/waybill/demo-services/psp"
	"github.com/waybill-dev/waybill/middleware/client"
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

// service is what the provider is called in spans and metrics, wherever it is.
const service = "psp"

// Provider is the payment provider, which is outside. It is called through a
// circuit breaker; nothing is repeated, because who wants the money, a saga or
// the inquiry, does so itself. Safe for concurrent use.
type Provider struct {
	calls *client.Client
	// base is where the requests are sent to, and host whom they ask for.
	base url.URL
	host string
}

// NewProvider finds the provider at the configuration's URL. Close it when nobody
// calls it any more.
func NewProvider(cfg Config, telemetry client.Telemetry, logger *slog.Logger) (*Provider, error) {
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.MaxIdleConnsPerHost = 16
	if at, err := url.Parse(cfg.PSPURL); err == nil {
		base.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: at.Hostname()}
	}
	return newProvider(cfg, base, telemetry, logger)
}

func newProvider(cfg Config, base http.RoundTripper, telemetry client.Telemetry, logger *slog.Logger) (*Provider, error) {
	at, err := url.Parse(cfg.PSPURL)
	if err != nil || at.Host == "" {
		return nil, errors.New("the payment provider's URL is none") // It may have a password in it.
	}
	calls, err := client.New(base, client.WithTelemetry(telemetry),
		client.WithDiscovery(client.Static{service: {{Address: at.Host}}}),
		client.WithTimeout(cfg.PSPTimeout), client.WithAttemptTimeout(0),
		client.WithRetry(client.Retry{Attempts: 1}),
		client.WithBreaker(cfg.Breaker.settings()),
		// That a question is answered does not mean that a charge would be.
		client.WithoutVerdict(func(r *http.Request) bool { return r.Method == http.MethodGet }),
		client.WithTransitions(func(t client.Transition) {
			logger.Warn("circuit breaker has changed", "breaker", t.Service, "from", t.From, "to", t.To)
		}))
	if err != nil {
		return nil, err
	}
	host := at.Host
	at.Host = service
	return &Provider{calls: calls, base: *at, host: host}, nil
}

// Close closes the connections to the provider.
func (p *Provider) Close() error {
	p.calls.CloseIdleConnections()
	return nil
}

// open says whether the provider is left alone.
func (p *Provider) open() bool { return p.calls.Open(service) }

// charge takes money and returns the provider's id of the charge. It may be
// repeated with the same key.
func (p *Provider) charge(ctx context.Context, key string, body psp.ChargeRequest) (string, error) {
	var answer psp.ChargeResponse
	refusal, err := p.post(ctx, "charges", key, body, &answer)
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
func (p *Provider) refund(ctx context.Context, key string) error {
	var answer psp.ChargeResponse
	refusal, err := p.post(ctx, "refunds", key, psp.RefundRequest{Key: key}, &answer)
	if err == nil && refusal.Code != "" {
		err = fmt.Errorf("psp answered %s: %s", refusal.Code, refusal.Message)
	}
	return err
}

// find asks what has become of the charge with the key. The breaker hears
// nothing of the answer, but lets no question through while it is open.
func (p *Provider) find(ctx context.Context, key string) (found psp.StatusResponse, err error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	request, err := p.request(ctx, http.MethodGet, http.NoBody, "charges", key)
	if err != nil {
		return found, err
	}
	refusal, err := p.do(request, &found)
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

// post sends one request; see do for its answer.
func (p *Provider) post(ctx context.Context, path, key string, body, answer any) (refusal psp.ErrorResponse, err error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return refusal, err
	}
	request, err := p.request(ctx, http.MethodPost, bytes.NewReader(raw), path)
	if err != nil {
		return refusal, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	return p.do(request, answer)
}

// request is one of the provider; the path comes in its unescaped parts.
func (p *Provider) request(ctx context.Context, method string, body io.Reader, path ...string) (*http.Request, error) {
	for i := range path {
		path[i] = url.PathEscape(path[i])
	}
	request, err := http.NewRequestWithContext(ctx, method, p.base.JoinPath(path...).String(), body)
	if err != nil {
		return nil, err
	}
	request.Host = p.host
	return request, nil
}

// do makes one request, unless the provider is left alone: then it is errOpen. It
// decodes a 2xx body into answer and a 4xx body into
// the refusal, whose Code is then never empty; any other answer, and none, is an
// error.
func (p *Provider) do(request *http.Request, answer any) (refusal psp.ErrorResponse, err error) {
	response, err := (&http.Client{Transport: p.calls}).Do(request)
	if errors.Is(err, client.ErrCircuitOpen) {
		return refusal, errOpen
	}
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
