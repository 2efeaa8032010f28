package viewer_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/listen/listentest"
	"github.com/waybill-dev/waybill/viewer"
)

func TestTLSAndToken(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "viewer")
	v := start(t, memory.New(memory.Config{}), func(cfg *viewer.Config) {
		cfg.TLS = listen.TLS{CertFile: listen.File(cert), KeyFile: listen.File(key)}
		cfg.Auth.Bearer = listen.Tokens{"t0ken"}
	})
	transport := &http.Transport{TLSClientConfig: authority.Client(t, "", ""), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	for _, test := range []struct {
		path, authorization string
		want                int
	}{
		{"/healthz", "", 200},
		{"/", "", 401},
		{"/api/services", "Bearer wr0ng", 401},
		{"/api/services", "Bearer t0ken", 200},
		{"/metrics", "", 401},
		{"/", "Bearer t0ken", 200},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+v.Addr().String()+test.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if test.authorization != "" {
			request.Header.Set("Authorization", test.authorization)
		}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != test.want || (response.Header.Get("WWW-Authenticate") != "") != (test.want == 401) {
			t.Errorf("%s by %q: %d %v", test.path, test.authorization, response.StatusCode, response.Header)
		}
	}
}

// asks is what the viewer answers a client with such a transport, 0 for nothing.
func asks(t *testing.T, by *http.Transport, url, token string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/services", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := by.RoundTrip(request)
	if err != nil {
		return 0
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

// change has the viewer go by another rule.
func change(t *testing.T, v *viewer.Viewer, rule listen.Security) {
	t.Helper()
	change, err := v.Prepare(rule)
	if err != nil || change == nil {
		t.Fatalf("the rule changes nothing: %v", err)
	}
	change()
}

// TestTheRuleChanges switches TLS and a token on, and changes the token, on one
// port. What was connected before is told to go.
func TestTheRuleChanges(t *testing.T) {
	v := start(t, memory.New(memory.Config{}), nil)
	at := v.Addr().String()
	plain := &http.Transport{}
	defer plain.CloseIdleConnections()
	if got := asks(t, plain, "http://"+at, ""); got != 200 {
		t.Fatalf("without any rule: %d", got)
	}
	old, err := new(net.Dialer).DialContext(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = old.Close() }()
	if _, err := io.WriteString(old, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(old)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()

	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "viewer")
	rule := listen.Security{TLS: listen.TLS{CertFile: listen.File(cert), KeyFile: listen.File(key)}, Auth: listen.Auth{Bearer: listen.Tokens{"first"}}}
	change(t, v, rule)
	if err := old.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("a connection from before: %v", err)
	}
	secured := &http.Transport{TLSClientConfig: authority.Client(t, "", ""), ForceAttemptHTTP2: true}
	defer secured.CloseIdleConnections()
	for token, want := range map[string]int{"": 401, "second": 401, "first": 200} {
		if got := asks(t, secured, "https://"+at, token); got != want {
			t.Errorf("by token %q: %d, want %d", token, got, want)
		}
	}
	if got := asks(t, plain, "http://"+at, "first"); got == 200 {
		t.Error("without TLS it still answers")
	}

	rule.Auth.Bearer = listen.Tokens{"second"}
	change(t, v, rule)
	secured = &http.Transport{TLSClientConfig: authority.Client(t, "", ""), ForceAttemptHTTP2: true}
	defer secured.CloseIdleConnections()
	for token, want := range map[string]int{"first": 401, "second": 200} {
		if got := asks(t, secured, "https://"+at, token); got != want {
			t.Errorf("then, by token %q: %d, want %d", token, got, want)
		}
	}
}

// TestRulesOfNoUse are refused, and what was in force stays.
func TestRulesOfNoUse(t *testing.T) {
	v := start(t, memory.New(memory.Config{}), nil)
	for want, rule := range map[string]listen.Security{
		"viewer.tls.cert_file: open /nowhere: ":        {TLS: listen.TLS{CertFile: "/nowhere", KeyFile: "/nowhere"}},
		"viewer.tls.cert_file: it wants a key_file":    {TLS: listen.TLS{CertFile: "/nowhere"}},
		"viewer.auth.bearer: the token is empty":       {Auth: listen.Auth{Bearer: listen.Tokens{""}}},
		"viewer.auth.bearer_file: open /nowhere/too: ": {Auth: listen.Auth{BearerFile: "/nowhere/too"}},
	} {
		if change, err := v.Prepare(rule); err == nil || change != nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if change, err := v.Prepare(listen.Security{}); change != nil || err != nil {
		t.Errorf("the same rule: %v", err)
	}
	if got := get(t, v, "/api/services"); got.status != 200 {
		t.Errorf("afterwards: %d", got.status)
	}
}
