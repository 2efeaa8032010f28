package compose

import (
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/jackc/pgx/v5"
	nats "github.com/nats-io/nats-server/v2/server"

	"github.com/waybill-dev/waybill/demo-services/platform/pgtest"
)

func TestMain(m *testing.M) {
	m.Run()
	pgtest.Stop()
}

// startNATS runs a NATS server where the services look for it.
func (s *stack) startNATS(t *testing.T) {
	t.Helper()
	server, err := nats.NewServer(&nats.Options{
		ServerName: "nats", Host: "127.0.0.1", Port: nats.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Start()
	t.Cleanup(func() {
		server.Shutdown()
		server.WaitForShutdown()
	})
	if !server.ReadyForConnections(30 * time.Second) {
		t.Fatal("NATS does not start")
	}
	s.addresses["nats:4222"] = server.Addr().String()
}

// startPostgreSQL runs a PostgreSQL server, and has it begin as Compose's does.
func (s *stack) startPostgreSQL(t *testing.T) {
	t.Helper()
	base := pgtest.Database(t)
	conn, err := pgx.Connect(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements(t) {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.database, err = url.Parse(base); err != nil {
		t.Fatal(err)
	}
}

// databaseHere has the account and the database of the URL, and the place of the
// server here, which listens on a socket.
func (s *stack) databaseHere(t *testing.T, text string) string {
	t.Helper()
	at, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	at.Host, at.RawQuery = s.database.Host, s.database.RawQuery
	return at.String()
}

// mailServer takes mail instead of Mailpit, which interop/ runs.
type mailServer struct {
	mu    sync.Mutex
	mails []string
}

// startMail runs a mail server where notification looks for it.
func (s *stack) startMail(t *testing.T) {
	t.Helper()
	s.mail = &mailServer{}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addresses["mailpit:1025"] = listener.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return dialogue{s.mail}, nil }))
	server.Domain = "mailpit"
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // It ends when it is closed.
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
}

// arrived says whether there is one mail of the trace.
func (m *mailServer) arrived(trace string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := 0
	for _, mail := range m.mails {
		if strings.Contains(mail, "\r\nX-Trace-Id: "+trace+"\r\n") {
			found++
		}
	}
	if found != 1 {
		return errors.New("there is none, or more than one")
	}
	return nil
}

// dialogue is the server's part of one.
type dialogue struct{ *mailServer }

func (dialogue) Reset()                               {}
func (dialogue) Logout() error                        { return nil }
func (dialogue) Mail(string, *smtp.MailOptions) error { return nil }
func (dialogue) Rcpt(string, *smtp.RcptOptions) error { return nil }

func (d dialogue) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mails = append(d.mails, string(content))
	return err
}
