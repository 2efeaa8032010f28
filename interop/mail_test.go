package interop

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/interop/backend"
)

// mailpit is a real mail server that shows what it was given.
type mailpit struct{ smtp, api string }

// start runs Mailpit as Compose does, except that it can be told to fail, until the
// test ends.
func (m mailpit) start(t *testing.T) {
	t.Helper()
	process := launch(t, nil, built(t, backend.Mailpit()), append(mailpitFlags(t),
		"--listen", strings.TrimPrefix(m.api, "http://"), "--smtp", m.smtp, "--database", filepath.Join(t.TempDir(), "mail.db"),
		"--smtp-strict-rfc-headers", "--enable-chaos")...)
	eventually(t, "Mailpit is ready", func() error {
		if err := process.running(); err != nil {
			t.Fatal(err)
		}
		return alive(t, m.api+"/readyz")
	})
}

// mailpitFlags are those that docker-compose.yml gives.
func mailpitFlags(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`image: axllent/mailpit:\S+\n\s+command: \[(.+)\]\n`).FindSubmatch(content)
	if found == nil {
		t.Fatal("docker-compose.yml does not say how Mailpit is called")
	}
	return strings.Split(strings.ReplaceAll(string(found[1]), `"`, ""), ", ")
}

// answerRecipients has Mailpit refuse all recipients with the code; 0 is none.
func (m mailpit) answerRecipients(t *testing.T, code int) {
	t.Helper()
	triggers := "{}"
	if code > 0 {
		triggers = fmt.Sprintf(`{"Recipient": {"ErrorCode": %d, "Probability": 100}}`, code)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, m.api+"/api/v1/chaos", bytes.NewBufferString(triggers))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("Mailpit does not take %s: %s", triggers, response.Status)
	}
}

// letter is what of a mail the test looks at.
type letter struct{ To, Subject, Trace, Order string }

// letters are all mails that Mailpit has, by the ids of their traces.
func (m mailpit) letters(t *testing.T) (map[string][]letter, error) {
	t.Helper()
	var all struct {
		Messages []struct {
			ID        string
			MessageID string
			Subject   string
			To        []struct{ Address string }
		} `json:"messages"`
	}
	if err := getJSON(t, m.api+"/api/v1/messages?limit=100", &all); err != nil {
		return nil, err
	}
	byTrace := map[string][]letter{}
	for _, one := range all.Messages {
		var header map[string][]string
		if err := getJSON(t, m.api+"/api/v1/message/"+one.ID+"/headers", &header); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(one.MessageID, "evt_") || len(one.To) != 1 {
			return nil, fmt.Errorf("a mail %q to %v", one.MessageID, one.To)
		}
		l := letter{To: one.To[0].Address, Subject: one.Subject, Trace: strings.Join(header["X-Trace-Id"], " "), Order: strings.Join(header["X-Order-Id"], " ")}
		byTrace[l.Trace] = append(byTrace[l.Trace], l)
	}
	return byTrace, nil
}

// startMailingShop runs cmd/demo without a shopper, which sends its mail to the
// server and its telemetry nowhere else.
func startMailingShop(t *testing.T, m mailpit) shop {
	t.Helper()
	config := writeFile(t, "demo.yaml", `
receive: {otlp: {grpc: {address: "127.0.0.1:0"}, http: {address: "127.0.0.1:0"}}}
derive: {address: "127.0.0.1:0"}
admin: {address: "127.0.0.1:0"}
viewer: {address: "127.0.0.1:0"}
`)
	demo := launch(t, []string{"SMTP_URL=smtp://" + m.smtp}, buildCommand(t, "demo"),
		"--rate", "0", "--config", config, "--data", t.TempDir(), "--gateway", "127.0.0.1:0")
	var s shop
	eventually(t, "the demo prints its addresses", func() error {
		if err := demo.running(); err != nil {
			t.Fatal(err)
		}
		for word, into := range map[string]*string{"gateway": &s.gateway, "viewer": &s.viewer} {
			address, printed := demo.output.field(word)
			if !printed || !strings.HasPrefix(address, "http://") {
				return fmt.Errorf("no line with the address of %s", word)
			}
			*into = address
		}
		return nil
	})
	return s
}

// TestOrdersMail has the mail of orders arrive in a real mail server, once for each:
// of one that was placed before the server was there, of one whose recipient it did
// not want at first, and of one that was declined. Each leads to its trace, which
// has the attempts in it; the mail of one that the server has refused for good never
// comes.
func TestOrdersMail(t *testing.T) {
	m := mailpit{smtp: freeAddress(t), api: "http://" + freeAddress(t)}
	s := startMailingShop(t, m)
	early := s.place(t, good)
	eventually(t, "there was an attempt", func() error { return s.attempted(t, early, "connection") })
	m.start(t)
	eventually(t, "the early order's mail", func() error { return m.arrived(t, early) })
	refusedFor := s.place(t, declined)
	eventually(t, "the declined order's mail", func() error { return m.arrived(t, refusedFor) })

	m.answerRecipients(t, 451)
	late := s.place(t, good)
	eventually(t, "the refusal is in the trace", func() error { return s.attempted(t, late, "451") })
	m.answerRecipients(t, 0)
	eventually(t, "the late order's mail", func() error { return m.arrived(t, late) })
	m.answerRecipients(t, 550)
	never := s.place(t, good)
	eventually(t, "the final refusal is in the trace", func() error { return s.attempted(t, never, "550") })
	m.answerRecipients(t, 0)
	last := s.place(t, good)
	eventually(t, "the last order's mail", func() error { return m.arrived(t, last) })
	got, err := m.letters(t)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]letter{}
	for trace, how := range map[string]string{early: "confirmed", refusedFor: "cancelled", late: "confirmed", last: "confirmed"} {
		if len(got[trace]) == 0 {
			t.Fatalf("no mail of trace %s: %v", trace, got)
		}
		order := got[trace][0].Order
		want[trace] = []letter{{To: "ada@example.com", Subject: "Your order " + order + " is " + how, Trace: trace, Order: order}}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
}

// arrived says whether there is mail of the trace.
func (m mailpit) arrived(t *testing.T, trace string) error {
	t.Helper()
	got, err := m.letters(t)
	if err == nil && len(got[trace]) == 0 {
		err = errors.New("there is none")
	}
	return err
}

// attempted says whether the trace has an attempt to send its mail that failed so.
func (s shop) attempted(t *testing.T, id, errorType string) error {
	t.Helper()
	tr, err := getTrace(t, s.viewer, id)
	if err != nil {
		return err
	}
	for _, span := range tr.Spans {
		if span.OperationName == "send mail" && span.tag("error.type") == errorType && span.tag("server.address") == "127.0.0.1" {
			return nil
		}
	}
	return fmt.Errorf("no span of it among %d", len(tr.Spans))
}
