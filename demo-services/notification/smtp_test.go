package notification

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

// patience is how long anything may take on a machine that is busy elsewhere.
const patience = 30 * time.Second

// eventually waits until done returns true.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// post is a service that sends by SMTP, without its bus.
type post struct {
	*Server
	mailer *Mailer
	tracer trace.Tracer
	spans  *tracetest.SpanRecorder
	log    *bytes.Buffer // to be read when the mailer has ended
	end    func()
}

// newPost starts one, which ends with the test unless end is called before.
func newPost(t *testing.T, cfg SMTPConfig) *post {
	t.Helper()
	p := &post{spans: tracetest.NewSpanRecorder(), log: &bytes.Buffer{}}
	telemetry := platformtest.Telemetry(t, sdktrace.SpanProcessor(p.spans))
	if cfg.From == "" {
		cfg.From = DefaultSMTPConfig().From
	}
	relay, err := newSMTPRelay(cfg, telemetry.TracerProvider())
	if err != nil {
		t.Fatal(err)
	}
	store := NewStore(platformtest.OpenDB(t, t.TempDir(), Migrations))
	p.mailer = newMailer(store, relay, slog.New(slog.NewTextHandler(p.log, nil)))
	p.Server, p.tracer = NewServer(store, p.mailer.Wake), telemetry.TracerProvider().Tracer("test")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.mailer.Run(ctx)
	}()
	p.end = func() { cancel(); <-done }
	t.Cleanup(p.end)
	return p
}

// state is what the store has of the only message.
func (p *post) state(t *testing.T) (state, failure string) {
	t.Helper()
	var waits, sent bool
	if err := p.store.db.QueryRow(t.Context(), []any{&waits, &sent, &failure},
		"SELECT due_at IS NOT NULL, sent_at > 0, failure FROM messages"); err != nil {
		t.Fatal(err)
	}
	switch {
	case sent:
		return outcomeSent, failure
	case waits:
		return outcomeLater, failure
	default:
		return outcomeRefused, failure
	}
}

func (p *post) handle(t *testing.T) {
	t.Helper()
	if err := p.Handle(t.Context(), event("evt_1", "order.confirmed", confirmed)); err != nil {
		t.Fatal(err)
	}
}

// TestOneMailForEachEvent has an event come twice, and reads the mail that comes of
// it, and the span of its sending.
func TestOneMailForEachEvent(t *testing.T) {
	server, _ := newMailServer(t, inClear, "")
	p := newPost(t, SMTPConfig{URL: "smtp://" + server.addr})
	ctx, span := p.tracer.Start(t.Context(), "process")
	for range 2 {
		if err := p.Handle(ctx, event("evt_1", "order.confirmed", confirmed)); err != nil {
			t.Fatal(err)
		}
	}
	span.End()
	eventually(t, "the message is sent", func() bool { state, _ := p.state(t); return state == outcomeSent })
	p.end()
	mails := server.taken()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	got, err := mail.ReadMessage(strings.NewReader(mails[0]))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"From": `"Waybill shop" <orders@shop.example>`, "To": "<ada@example.com>", "Subject": "Your order ord_1 is confirmed",
		"Message-ID": "<evt_1@shop.example>", "X-Trace-Id": span.SpanContext().TraceID().String(), "X-Order-Id": "ord_1",
		"Auto-Submitted": "auto-generated",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s: %q, want %q", name, value, want)
		}
	}
	if body, err := io.ReadAll(got.Body); err != nil || !strings.Contains(string(body), "charged your card with 12.05 EUR.") {
		t.Errorf("body: %q, %v", body, err)
	}
	i := slices.IndexFunc(p.spans.Ended(), func(s sdktrace.ReadOnlySpan) bool { return s.Name() == "send mail" })
	if i < 0 {
		t.Fatalf("no span of the sending: %v", p.spans.Ended())
	}
	sent := p.spans.Ended()[i]
	if sent.SpanKind() != trace.SpanKindClient || sent.Parent().SpanID() != span.SpanContext().SpanID() || attributeOf(sent, "server.address") != "127.0.0.1" {
		t.Errorf("the span of the sending: %v below %v: %v", sent.SpanKind(), sent.Parent().SpanID(), sent.Attributes())
	}
}

func attributeOf(s sdktrace.ReadOnlySpan, key string) string {
	for _, kv := range s.Attributes() {
		if string(kv.Key) == key {
			return kv.Value.String()
		}
	}
	return ""
}

func TestRefusals(t *testing.T) {
	permanent := func(string) error {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no ada@example.com here"}
	}
	for _, test := range []struct {
		name           string
		rcpt, data     func(string) error
		state, failure string
		asked          int
	}{
		{"greylisted", refuseOnce(450, "later"), nil, outcomeSent, "", 2},
		{"full", nil, refuseOnce(452, "full"), outcomeSent, "", 2},
		{"unknown", permanent, nil, outcomeRefused, "sending SMTP RCPT TO command: 550 5.1.1", 1},
		{"spam", nil, refuseOnce(554, "no ada@example.com here"), outcomeRefused, "closing SMTP DATA writer: 554 5.7.1", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, _ := newMailServer(t, inClear, "")
			server.rcpt, server.data = test.rcpt, test.data
			p := newPost(t, SMTPConfig{URL: "smtp://" + server.addr})
			p.handle(t)
			eventually(t, "the message is settled", func() bool { state, _ := p.state(t); return state != outcomeLater })
			p.end()
			if state, failure := p.state(t); state != test.state || failure != test.failure || server.asked() != test.asked {
				t.Errorf("%s %q after %d attempts, want %s %q after %d", state, failure, server.asked(), test.state, test.failure, test.asked)
			}
			if strings.Contains(p.log.String(), "ada@") {
				t.Errorf("the log says who gets mail: %s", p.log)
			}
			ended := p.spans.Ended()
			i := slices.IndexFunc(ended, func(s sdktrace.ReadOnlySpan) bool {
				return s.Name() == "send mail" && attributeOf(s, "error.type") != ""
			})
			if i < 0 || !strings.HasPrefix(attributeOf(ended[i], "error.type"), "4") && !strings.HasPrefix(attributeOf(ended[i], "error.type"), "5") {
				t.Errorf("no span has the server's answer: %v", ended)
			}
		})
	}
}

// TestTLSAndPasswords has servers that offer more or less, and says what is sent to
// which, and that no password is sent, or logged, where others may see it.
func TestTLSAndPasswords(t *testing.T) {
	for _, test := range []struct {
		name, scheme, user, query string
		security                  int
		trusted                   bool
		state                     string
		signedIn                  []string
	}{
		{"smtps", "smtps", "shop:s3cret", "", withTLS, true, outcomeSent, []string{"shop:s3cret"}},
		{"STARTTLS", "smtp", "shop:s3cret", "", withSTARTTLS, true, outcomeSent, []string{"shop:s3cret"}},
		{"wrong password", "smtp", "shop:wr0ng", "", withSTARTTLS, true, outcomeLater, []string{"shop:wr0ng"}},
		{"unknown certificate", "smtp", "shop:s3cret", "", withSTARTTLS, false, outcomeLater, nil},
		{"unknown certificate of smtps", "smtps", "shop:s3cret", "", withTLS, false, outcomeLater, nil},
		{"no STARTTLS", "smtp", "shop:s3cret", "", inClear, true, outcomeLater, nil},
		{"no TLS wanted", "smtp", "shop:s3cret", "?tls=off", inClear, true, outcomeLater, nil},
		{"no password", "smtp", "", "?tls=required", inClear, true, outcomeLater, nil},
		{"nobody signs in", "smtp", "", "", inClear, true, outcomeLater, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			server, roots := newMailServer(t, test.security, "shop:s3cret")
			if !test.trusted {
				roots = nil
			}
			user := test.user
			if user != "" {
				user += "@"
			}
			p := newPost(t, SMTPConfig{URL: test.scheme + "://" + user + server.addr + test.query, TLS: roots})
			p.handle(t)
			eventually(t, "there was an attempt", func() bool {
				state, failure := p.state(t)
				return state != outcomeLater || failure != ""
			})
			p.end()
			state, failure := p.state(t)
			if state != test.state {
				t.Errorf("%s: %q, want %s", state, failure, test.state)
			}
			server.mu.Lock()
			defer server.mu.Unlock()
			if diff := cmp.Diff(test.signedIn, slices.Compact(server.signedIn)); diff != "" {
				t.Errorf("signed in (-want +got):\n%s", diff)
			}
			for what, text := range map[string]string{"log": p.log.String(), "database": failure} {
				if strings.Contains(text, "s3cret") || strings.Contains(text, "wr0ng") {
					t.Errorf("the password is in the %s: %s", what, text)
				}
			}
		})
	}
}

// TestTheAnswerGetsLost has the server take a message and hang up before it has said
// so: nobody can know that, so that it is sent again, as the same message.
func TestTheAnswerGetsLost(t *testing.T) {
	server, _ := newMailServer(t, inClear, "")
	server.rude = true
	p := newPost(t, SMTPConfig{URL: "smtp://" + server.addr})
	p.handle(t)
	eventually(t, "the message is sent", func() bool { state, _ := p.state(t); return state == outcomeSent })
	p.end()
	mails := server.taken()
	if len(mails) != 2 {
		t.Fatalf("%d mails: %q", len(mails), mails)
	}
	for _, content := range mails {
		if !strings.Contains(header(t, content), "Message-ID: <evt_1@shop.example>") {
			t.Errorf("another message: %s", content)
		}
	}
}

func TestNothingLeavesItsHeader(t *testing.T) {
	server, _ := newMailServer(t, inClear, "")
	p := newPost(t, SMTPConfig{URL: "smtp://" + server.addr})
	const evil = "x\r\nBcc: eve@example.com\r\n\r\n.\r\nMAIL FROM:<eve@example.com>\r\n"
	if _, err := p.store.Queue(t.Context(), Message{
		EventID: "evt_1" + evil, OrderID: "ord_1" + evil, Recipient: "ada@example.com", Subject: "Your order" + evil, Body: "Dear" + evil, QueuedAt: time.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mail is there", func() bool { return len(server.taken()) > 0 })
	p.end()
	mails := server.taken()
	if len(mails) != 1 {
		t.Fatalf("%d mails: %q", len(mails), mails)
	}
	var names []string
	for line := range strings.SplitSeq(header(t, mails[0]), "\r\n") {
		name, _, _ := strings.Cut(line, ":")
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"Auto-Submitted", "Content-Transfer-Encoding", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To", "X-Order-Id", "X-Trace-Id"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("headers (-want +got):\n%s\n%s", diff, mails[0])
	}
}

func TestMailServersURL(t *testing.T) {
	for url, want := range map[string]string{
		"smtp://mail.example":                         "",
		"smtp://mail.example:1025/":                   "",
		"smtps://shop:s3cret@mail.example":            "",
		"smtp://shop:s3cret@mail.example?tls=off":     "",
		"http://shop:s3cret@mail.example":             "URL is none",
		"smtp://":                                     "URL is none",
		"smtp://shop:s3cret@mail.example/path":        "URL is none",
		"smtp://shop:s3cret@mail.example:99999":       "port",
		"smtp://shop:s3cret%ZZ@mail.example":          "URL is none",
		"smtp://shop:s3cret@mail.example?tls=perhaps": "required, optional or off",
		"smtps://shop:s3cret@mail.example?tls=off":    "not off with smtps",
		"smtp://shop:s3cret@mail.example?auth=plain":  `"auth"`,
	} {
		_, err := SMTPConfig{URL: url}.address()
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", url, err, want)
		case err != nil && strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%s: the error has the password: %v", url, err)
		}
	}
	if _, err := newSMTPRelay(SMTPConfig{URL: "smtp://mail.example", From: "nobody"}, nil); err == nil {
		t.Error("a sender without an address is taken")
	}
}
