package notification

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mailServer is a real one, in this process, that keeps what it takes. What its
// functions return is answered; they may be nil.
type mailServer struct {
	addr string
	// rcpt and data are asked before a recipient, and after a message.
	rcpt func(to string) error
	data func(content string) error
	// hangUp ends the first dialogue when its message is taken, before saying so.
	hangUp sync.Once
	rude   bool

	mu        sync.Mutex
	mails     []string
	dialogues int
	signedIn  []string // name, a colon, password
}

const (
	inClear = iota
	withSTARTTLS
	withTLS
)

// newMailServer starts one, which has an account if account is not empty. The roots
// are those that its certificate is from.
func newMailServer(t *testing.T, security int, account string) (s *mailServer, roots *tls.Config) {
	t.Helper()
	certified := httptest.NewTLSServer(http.NotFoundHandler())
	defer certified.Close()
	pool := x509.NewCertPool()
	pool.AddCert(certified.Certificate())
	s = &mailServer{}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dialogues++
		if account == "" {
			return &dialogue{server: s, conn: c}, nil
		}
		return &dialogueWithAccount{dialogue: dialogue{server: s, conn: c}, account: account}, nil
	}))
	server.Domain, server.ErrorLog = "mail.example", silence{}
	if security != inClear {
		server.TLSConfig = &tls.Config{Certificates: certified.TLS.Certificates, MinVersion: tls.VersionTLS12}
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = listener.Addr().String()
	if security == withTLS {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // It ends when it is closed.
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return s, &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// taken is what the server has.
func (s *mailServer) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.mails...)
}

// asked is how many dialogues there were.
func (s *mailServer) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialogues
}

// dialogue is the server's part of one.
type dialogue struct {
	server *mailServer
	conn   *smtp.Conn
}

func (d *dialogue) Reset()                               {}
func (d *dialogue) Logout() error                        { return nil }
func (d *dialogue) Mail(string, *smtp.MailOptions) error { return nil }
func (d *dialogue) Rcpt(to string, _ *smtp.RcptOptions) error {
	if d.server.rcpt == nil {
		return nil
	}
	return d.server.rcpt(to)
}

func (d *dialogue) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	d.server.mu.Lock()
	d.server.mails = append(d.server.mails, string(content))
	d.server.mu.Unlock()
	if d.server.rude {
		d.server.hangUp.Do(func() { _ = d.conn.Conn().Close() })
	}
	if d.server.data == nil {
		return nil
	}
	return d.server.data(string(content))
}

// dialogueWithAccount wants to know who is there before it takes anything.
type dialogueWithAccount struct {
	dialogue
	account string
	known   bool
}

func (d *dialogueWithAccount) AuthMechanisms() []string { return []string{sasl.Plain} }

func (d *dialogueWithAccount) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, name, password string) error {
		d.server.mu.Lock()
		d.server.signedIn = append(d.server.signedIn, name+":"+password)
		d.server.mu.Unlock()
		if d.known = name+":"+password == d.account; !d.known {
			// As badly as a server can behave.
			return &smtp.SMTPError{Code: 535, Message: "not " + password}
		}
		return nil
	}), nil
}

func (d *dialogueWithAccount) Mail(from string, o *smtp.MailOptions) error {
	if !d.known {
		return smtp.ErrAuthRequired
	}
	return d.dialogue.Mail(from, o)
}

// silence is a log that nobody reads.
type silence struct{}

func (silence) Printf(string, ...any) {}
func (silence) Println(...any)        {}

// refuseOnce answers with the code the first time.
func refuseOnce(code int, text string) func(string) error {
	var once sync.Once
	return func(string) (err error) {
		once.Do(func() {
			err = &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 7, 1}, Message: text}
		})
		return err
	}
}

// header is the head of a mail, unfolded.
func header(t *testing.T, content string) string {
	t.Helper()
	head, _, found := strings.Cut(content, "\r\n\r\n")
	if !found {
		t.Fatal(errors.New("no header: " + content))
	}
	return strings.ReplaceAll(head, "\r\n ", " ")
}
