package gateway

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
)

// contract holds requests and answers against the document that is served.
var contract = sync.OnceValues(func() (validator.Validator, error) {
	parsed, err := libopenapi.NewDocument(document)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(parsed, config.WithFormatAssertions())
	if len(errs) > 0 {
		return nil, errs[0]
	}
	return v, nil
})

// wantInContract checks an answer of a documented route, and, unless it was
// refused, the request too.
func wantInContract(t *testing.T, request *http.Request, body string, answer *httptest.ResponseRecorder) {
	t.Helper()
	v, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	again := request.Clone(t.Context())
	again.Body = http.NoBody
	if body != "" {
		again = httptest.NewRequestWithContext(t.Context(), request.Method, request.URL.String(), strings.NewReader(body))
		again.Header.Set("Content-Type", "application/json")
	}
	if answer.Code < http.StatusBadRequest {
		if _, errs := v.ValidateHttpRequestSync(again); len(errs) > 0 {
			t.Errorf("%s %s is answered and not in the document: %v", request.Method, request.URL, errs)
		}
	}
	if _, errs := v.ValidateHttpResponse(again, answer.Result()); len(errs) > 0 {
		t.Errorf("%s %s: answer %d %s is not as documented: %v", request.Method, request.URL, answer.Code, answer.Body, errs)
	}
}

func TestDocumentIsValidAndServed(t *testing.T) {
	v, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	if _, errs := v.ValidateDocument(); len(errs) > 0 {
		t.Error(errs)
	}
	answer := ask(t, &backend{}, http.MethodGet, "/openapi.json", "", "")
	var served struct{ OpenAPI string }
	if err := json.Unmarshal(answer.Body.Bytes(), &served); err != nil || answer.Code != http.StatusOK || served.OpenAPI != "3.1.0" {
		t.Errorf("%d, OpenAPI %q, %v", answer.Code, served.OpenAPI, err)
	}
}

// TestContractIsStrict makes sure that the checks in the other tests can fail.
func TestContractIsStrict(t *testing.T) {
	v, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"field that is not documented": `[{"id":"usr_ada","name":"Ada","email":"a@example.com","card":"tok"}]`,
		"field that is missing":        `[{"id":"usr_ada","name":"Ada"}]`,
		"envelope":                     `{"data":[],"meta":{"version":"v2"}}`,
	} {
		answer := httptest.NewRecorder()
		answer.Header().Set("Content-Type", "application/json")
		_, _ = answer.WriteString(body)
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/users", nil)
		if valid, _ := v.ValidateHttpResponse(request, answer.Result()); valid {
			t.Errorf("%s is allowed", name)
		}
	}
}
