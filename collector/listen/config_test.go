package listen

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		security Security
		want     string // empty: it is valid
	}{
		{Security{}, ""},
		{Security{TLS: TLS{CertFile: "c", KeyFile: "k", ClientCAFile: "a", MinVersion: TLS13}, Auth: Auth{Bearer: Tokens{"a-._~+/=Z9"}, BearerFile: "b"}}, ""},
		{Security{TLS: TLS{CertFile: "c"}}, "x.tls.cert_file: it wants a key_file"},
		{Security{TLS: TLS{KeyFile: "k"}}, "x.tls.key_file: it wants a cert_file"},
		{Security{TLS: TLS{ClientCAFile: "a"}}, "x.tls.client_ca_file: it wants a cert_file and a key_file"},
		{Security{TLS: TLS{CertFile: "c", KeyFile: "k", MinVersion: "1.1"}}, `x.tls.min_version: "1.1": want 1.2 or 1.3`},
		{Security{Auth: Auth{Bearer: Tokens{""}}}, "x.auth.bearer: the token is empty"},
		{Security{Auth: Auth{Bearer: Tokens{"good", "s3cret with a space"}}}, "x.auth.bearer[1]: the token has a character that none may have"},
	} {
		err := test.security.Validate("x.")
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%+v: %v, want %q", test.security, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("an error has the token: %v", err)
		}
	}
}

func TestTokensAreNotPrinted(t *testing.T) {
	auth := Auth{Bearer: Tokens{"s3cret"}}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "token", auth.Bearer[0], "auth", auth)
	encoded, err := json.Marshal(auth)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v %s %q", auth, auth, auth, auth, auth), logged.String(), string(encoded)} {
		if strings.Contains(text, "s3cret") || !strings.Contains(text, "REDACTED") {
			t.Errorf("printed as %s", text)
		}
	}
}

func TestSecurityForPeople(t *testing.T) {
	for want, s := range map[string]Security{
		"":                  {},
		"TLS":               {TLS: TLS{CertFile: "c", KeyFile: "k"}},
		"token":             {Auth: Auth{BearerFile: "b"}},
		"mutual TLS, token": {TLS: TLS{CertFile: "c", KeyFile: "k", ClientCAFile: "a"}, Auth: Auth{Bearer: Tokens{"t"}}},
	} {
		if got := s.Summary(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
