package admin

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/listen/listentest"
)

func TestTLSAndToken(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	cfg := DefaultConfig()
	cfg.Address = "127.0.0.1:0"
	cfg.TLS = listen.TLS{CertFile: listen.File(cert), KeyFile: listen.File(key)}
	cfg.Auth.Bearer = listen.Tokens{"t0ken"}
	refused := func() Refusal { return Refusal{time.Now(), "the disk is gone"} }
	a, err := Start(t.Context(), cfg, Sources{
		Journal: memory.New(memory.Config{}), Metrics: prometheus.NewRegistry(), LastRefusal: refused,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authority.Pool()}, ForceAttemptHTTP2: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		a.Shutdown(t.Context())
	})
	for _, test := range []struct {
		path, authorization string
		status              int
		tells               bool // why it is not ready
	}{
		{"/livez", "", 200, false},
		{"/readyz", "", 503, false},
		{"/readyz", "Bearer wr0ng", 503, false},
		{"/readyz", "Bearer t0ken", 503, true},
		{"/healthz", "", 200, false},
		{"/healthz", "Bearer t0ken", 200, true},
		{"/metrics", "", 401, false},
		{"/metrics", "Bearer t0ken", 200, false},
		{"/", "Basic t0ken", 401, false},
		{"/", "Bearer t0ken", 200, true},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+a.Addr().String()+test.path, nil)
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
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != test.status || strings.Contains(string(body), "the disk is gone") != test.tells || response.ProtoMajor != 2 {
			t.Errorf("%s by %q: %d %s %s %v", test.path, test.authorization, response.StatusCode, response.Proto, body, err)
		}
		if challenged := response.Header.Get("WWW-Authenticate") != ""; challenged != (test.status == 401) {
			t.Errorf("%s by %q: challenged: %v", test.path, test.authorization, challenged)
		}
	}
}

// TestReadersOfBothJournals has one reader behind in each, by the clock of that
// journal.
func TestReadersOfBothJournals(t *testing.T) {
	w, began := newWatch(time.Minute), time.Unix(1e9, 0)
	all := journal.Stats{End: 100, Cursors: map[string]journal.Offset{"sample": 40}}
	chosen := journal.Stats{End: 10, Cursors: map[string]journal.Offset{"export-traces": 4}}
	w.look(began, all, chosen)
	states := w.look(began.Add(2*time.Minute), all, chosen)
	if len(states) != 2 || states[0].Name != "export-traces" || states[0].Lag != 6 || states[0].In != 1 || states[1].Lag != 60 || states[1].In != 0 {
		t.Errorf("%+v", states)
	}
	if got := namesOf(w.stuck(states)); len(got) != 2 {
		t.Errorf("stuck are %v", got)
	}
}
