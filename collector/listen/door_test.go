package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/waybill-dev/waybill/collector/listen/listentest"
)

// hall is a door with an HTTP server behind it. Asked for /slow, the server
// says so and waits for release.
type hall struct {
	*Door
	meters  *Meters
	log     *logBuffer
	begun   chan struct{}
	release chan struct{}
}

func newHall(t *testing.T, rule Security) *hall {
	t.Helper()
	m, err := NewMeters(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	h := &hall{meters: m, log: &logBuffer{}, begun: make(chan struct{}, 1), release: make(chan struct{})}
	logger := slog.New(slog.NewTextHandler(h.log, nil))
	if h.Door, err = Open(t.Context(), Place{Key: "receive.test", Address: "127.0.0.1:0", Meters: m, Logger: logger}, rule); err != nil {
		t.Fatal(err)
	}
	h.Serve(h.serve)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = h.Shutdown(ctx) // Where the test has done so, nothing is left to fail.
	})
	return h
}

func (h *hall) serve(l net.Listener, guard *Guard) func(context.Context) error {
	server := &http.Server{ReadHeaderTimeout: patience, Handler: guard.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			h.begun <- struct{}{}
			select {
			case <-h.release:
			case <-r.Context().Done():
				return
			}
		}
		_, _ = fmt.Fprintf(w, "tls %v", r.TLS != nil)
	}))}
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(l) })
	return func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if err != nil {
			_ = server.Close()
		}
		running.Wait()
		return err
	}
}

// change has the door go by another rule.
func (h *hall) change(t *testing.T, rule Security) {
	t.Helper()
	change, err := h.Prepare(rule)
	if err != nil || change == nil {
		t.Fatalf("Prepare: %v, something to do: %v", err, change != nil)
	}
	change()
}

// client has connections of its own.
type client struct {
	http.Client

	scheme string
}

// visitor speaks TLS where there is a configuration for it.
func visitor(t *testing.T, cfg *tls.Config) *client {
	t.Helper()
	scheme := "http://"
	if cfg != nil {
		scheme = "https://"
	}
	transport := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &client{http.Client{Transport: transport, Timeout: patience}, scheme}
}

// visit returns what is answered, or the status that is not 200.
func (h *hall) visit(t *testing.T, by *client, path, token string) (string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, by.scheme+h.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := by.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		return response.Status, err
	}
	return string(text), err
}

// TestDoorChangesItsRule goes through all that a rule may become, at one port.
func TestDoorChangesItsRule(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	clientCert, clientKey := authority.Issue(t, "client")
	served := TLS{CertFile: File(cert), KeyFile: File(key)}
	mutual := served
	mutual.ClientCAFile = File(authority.CAFile())
	plain, secure := visitor(t, nil), visitor(t, authority.Client(t, "", ""))
	known := visitor(t, authority.Client(t, clientCert, clientKey))
	h := newHall(t, Security{})
	at := h.Addr().String()
	for _, test := range []struct {
		name    string
		rule    Security
		summary string
		by      *client
		token   string
		want    string // empty: no connection
	}{
		{"TLS on", Security{TLS: served}, "TLS", secure, "", "tls true"},
		{"TLS is on", Security{TLS: served}, "TLS", plain, "", "400 Bad Request"}, // It speaks TLS.
		{"mutual", Security{TLS: mutual}, "mutual TLS", known, "", "tls true"},
		{"is mutual", Security{TLS: mutual}, "mutual TLS", secure, "", ""},
		{"token", Security{TLS: mutual, Auth: Auth{Bearer: Tokens{"one"}}}, "mutual TLS, token", known, "one", "tls true"},
		{"another token", Security{TLS: mutual, Auth: Auth{Bearer: Tokens{"two"}}}, "mutual TLS, token", known, "one", "401 Unauthorized"},
		{"is another token", Security{TLS: mutual, Auth: Auth{Bearer: Tokens{"two"}}}, "mutual TLS, token", known, "two", "tls true"},
		{"TLS off", Security{Auth: Auth{Bearer: Tokens{"two"}}}, "token", plain, "two", "tls false"},
		{"TLS is off", Security{Auth: Auth{Bearer: Tokens{"two"}}}, "token", secure, "two", ""},
		{"open", Security{}, "", plain, "", "tls false"},
	} {
		change, err := h.Prepare(test.rule)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if change != nil {
			change()
		} else if !strings.Contains(test.name, "is ") {
			t.Errorf("%s: there was nothing to do", test.name)
		}
		test.by.CloseIdleConnections() // One from before may be answered by the rule before, until it is ended.
		if got, err := h.visit(t, test.by, "/", test.token); got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: %q, %v; want %q", test.name, got, err, test.want)
		}
		if h.State().Security != test.summary || h.Addr().String() != at {
			t.Errorf("%s: %q at %v, want %q at %s", test.name, h.State().Security, h.Addr(), test.summary, at)
		}
	}
	if n := testutil.CollectAndCount(h.meters.expiry); n != 0 {
		t.Errorf("%d certificates are still said to be in use", n)
	}
}

// TestDoorEndsWhatWasThere has a request in progress, and an idle connection,
// when the rule changes.
func TestDoorEndsWhatWasThere(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	h := newHall(t, Security{})
	idle, err := new(net.Dialer).DialContext(t.Context(), "tcp", h.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	if _, err := io.WriteString(idle, "GET / HTTP/1.1\r\nHost: it\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, len("HTTP/1.1 200 OK"))
	if _, err := io.ReadFull(idle, head); err != nil {
		t.Fatal(err)
	}
	slow := make(chan string, 1)
	plain := visitor(t, nil)
	go func() {
		got, err := h.visit(t, plain, "/slow", "")
		slow <- fmt.Sprint(got, err)
	}()
	<-h.begun
	h.change(t, Security{TLS: TLS{CertFile: File(cert), KeyFile: File(key)}})
	if err := idle.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, idle); err != nil {
		t.Errorf("the idle connection did not end: %v", err)
	}
	if got, err := h.visit(t, visitor(t, authority.Client(t, "", "")), "/", ""); got != "tls true" {
		t.Errorf("meanwhile a new client is told %q, %v", got, err)
	}
	close(h.release)
	if got := <-slow; got != "tls false<nil>" {
		t.Errorf("the request that was in progress: %s", got)
	}
	if got, err := h.visit(t, plain, "/", ""); got != "400 Bad Request" {
		t.Errorf("its client goes on as before: %q, %v", got, err)
	}
}

// TestDoorRefusesWhole has files of no use, and nothing but an error comes of
// that; nor does anything of a change that is not made.
func TestDoorRefusesWhole(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	rule := Security{TLS: TLS{CertFile: File(cert), KeyFile: File(key)}}
	h := newHall(t, rule)
	spoilt := rule
	spoilt.TLS.KeyFile, spoilt.Auth.Bearer = writeFile(t, "", "no key"), Tokens{"t0ken"}
	change, err := h.Prepare(spoilt)
	if change != nil || err == nil || !strings.HasPrefix(err.Error(), "receive.test.tls.cert_file and tls.key_file: ") {
		t.Errorf("%v, something to do: %v", err, change != nil)
	}
	good := rule
	good.Auth.Bearer = Tokens{"t0ken"}
	if change, err := h.Prepare(good); change == nil || err != nil {
		t.Errorf("a good rule: %v", err)
	}
	if got, err := h.visit(t, visitor(t, authority.Client(t, "", "")), "/", ""); got != "tls true" {
		t.Errorf("it lets in no more: %q, %v", got, err)
	}
	if h.State().Security != "TLS" || h.log.String() != "" {
		t.Errorf("the rule is %q; logged: %s", h.State().Security, h.log.String())
	}
}

// TestDoorFollowsTheNewFiles rotates the tokens of a rule that has come later,
// and spoils those of the one before, which concern nobody.
func TestDoorFollowsTheNewFiles(t *testing.T) {
	first, second := writeFile(t, "", "one\n"), writeFile(t, "", "two\n")
	h := newHall(t, Security{Auth: Auth{BearerFile: first}})
	h.change(t, Security{Auth: Auth{BearerFile: second}})
	if err := os.Remove(string(first)); err != nil {
		t.Fatal(err)
	}
	writeFile(t, string(second), "three\n")
	plain := visitor(t, nil)
	eventually(t, "the next token is known", func() bool {
		got, err := h.visit(t, plain, "/", "three")
		return err == nil && got == "tls false"
	})
	if got, _ := h.visit(t, plain, "/", "one"); got != "401 Unauthorized" {
		t.Errorf("the first file's token: %q", got)
	}
	if text := h.log.String(); strings.Contains(text, "not taken over") {
		t.Errorf("logged:\n%s", text)
	}
}

// TestDoorShutdown waits for requests from before a change, or cuts them off.
func TestDoorShutdown(t *testing.T) {
	for _, patient := range []bool{true, false} {
		h := newHall(t, Security{})
		slow := make(chan error, 1)
		plain := visitor(t, nil)
		go func() {
			_, err := h.visit(t, plain, "/slow", "")
			slow <- err
		}()
		<-h.begun
		h.change(t, Security{Auth: Auth{Bearer: Tokens{"t0ken"}}})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan struct{})
		go func() {
			_ = h.Shutdown(ctx) // Of the present rule, under which nothing goes on.
			close(ended)
		}()
		if patient {
			close(h.release)
		} else {
			cancel()
		}
		if err := <-slow; (err == nil) != patient {
			t.Errorf("patient %v: the request in progress: %v", patient, err)
		}
		<-ended
		if cut := strings.Contains(h.log.String(), "were cut off"); cut == patient {
			t.Errorf("patient %v: logged %q", patient, h.log.String())
		}
		if _, err := h.Prepare(Security{}); !errors.Is(err, errClosed) {
			t.Errorf("a closed door: %v", err)
		}
		if _, err := h.visit(t, plain, "/", "t0ken"); err == nil {
			t.Error("a closed door answers")
		}
	}
}

// TestDoorUnderLoad changes the rule again and again while clients come and go:
// whatever is answered is answered by a rule that there was.
func TestDoorUnderLoad(t *testing.T) {
	h := newHall(t, Security{})
	ctx, stop := context.WithCancel(t.Context())
	var visiting sync.WaitGroup
	for range 4 {
		plain := visitor(t, nil)
		visiting.Go(func() {
			for ctx.Err() == nil {
				got, err := h.visit(t, plain, "/", "t0ken")
				if err == nil && got != "tls false" {
					t.Errorf("answered %q", got)
				}
			}
		})
	}
	for i := range 50 {
		rule := Security{Auth: Auth{Bearer: Tokens{"t0ken"}}}
		if i%2 == 1 {
			rule = Security{}
		}
		h.change(t, rule)
	}
	stop()
	visiting.Wait()
	if got, err := h.visit(t, visitor(t, nil), "/", ""); got != "tls false" {
		t.Errorf("in the end: %q, %v", got, err)
	}
}

// TestDoorThatIsOff has a nil one do nothing.
func TestDoorThatIsOff(t *testing.T) {
	var d *Door
	change, err := d.Prepare(Security{Auth: Auth{Bearer: Tokens{"t0ken"}}})
	if change != nil || err != nil || d.Addr() != nil || d.State().Security != "" || d.Shutdown(t.Context()) != nil {
		t.Errorf("%v, %v, %q", err, d.Addr(), d.State().Security)
	}
	if Together(nil, nil) != nil {
		t.Error("nothing is something")
	}
}
