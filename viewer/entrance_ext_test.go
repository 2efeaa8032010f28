package viewer_test

import (
	"net/http"
	"testing"

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
