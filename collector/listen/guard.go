package listen

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how often files are looked at. A content is taken when it is
// there for two looks: certificate and key are two files, and what changes
// between two looks may be half written.
const lookEvery = time.Second

// Guard decides whom one listener lets in. Its methods are safe for concurrent
// use.
type Guard struct {
	key      string
	security Security
	meters   meters
	logger   *slog.Logger
	now      atomic.Pointer[credentials]
	trouble  atomic.Pointer[Trouble] // nil: none

	quit    chan struct{}
	running sync.WaitGroup
}

// NewGuard reads what the security's files hold, and follows them until Close,
// which is due in any case. key is the listener's in the configuration, such as
// receive.otlp.grpc; errors begin with it, and the metrics waybill_listener_…
// have it as their label.
func NewGuard(key string, s Security, m *Meters, logger *slog.Logger) (*Guard, error) {
	read, err := s.prepare(key)
	if err != nil {
		return nil, err
	}
	return read.guard(m, logger, lookEvery), nil
}

// prepared is a rule with what its files hold.
type prepared struct {
	key  string
	rule Security
	sum  [sha256.Size]byte // of the files
	made *credentials
}

// prepare reads the files, and changes nothing. Its error begins with the key.
func (s Security) prepare(key string) (prepared, error) {
	held, err := s.read()
	if err != nil {
		return prepared{}, fmt.Errorf("%s.%w", key, err)
	}
	made, err := s.credentials(held)
	if err != nil {
		return prepared{}, fmt.Errorf("%s.%w", key, err)
	}
	return prepared{key, s, held.sum(), made}, nil
}

// CheckFiles reads the files, and says which is of no use, by the listener's key
// in the configuration.
func (s Security) CheckFiles(key string) error {
	_, err := s.prepare(key)
	return err
}

// guard begins to follow the files, and looks at them that often.
func (p prepared) guard(m *Meters, logger *slog.Logger, every time.Duration) *Guard {
	g := &Guard{key: p.key, security: p.rule, meters: m.of(p.key, p.rule), logger: logger, quit: make(chan struct{})}
	g.take(p.made)
	if p.rule.TLS.Enabled() || p.rule.Auth.BearerFile != "" {
		g.running.Go(func() { g.follow(p.sum, every) })
	}
	return g
}

func (g *Guard) take(made *credentials) {
	g.now.Store(made)
	if made.tls == nil {
		return
	}
	g.meters.expires.Set(float64(made.expires.Unix()))
	if time.Now().After(made.expires) {
		g.logger.Warn("a listener's certificate has expired, clients will refuse it", "listener", g.key, "expired", made.expires)
	}
}

// follow takes over what the files hold when that has changed. What is of no
// use is told once, and what there was stays in force.
func (g *Guard) follow(taken [sha256.Size]byte, every time.Duration) {
	look := time.NewTicker(every)
	defer look.Stop()
	seen, unreadable := taken, false // It is unreadable until a whole content has come.
	var before *Trouble              // What there was with the content that was read last.
	for {
		select {
		case <-g.quit:
			return
		case <-look.C:
		}
		held, err := g.security.read()
		if err != nil {
			if !unreadable { // It may be on its way, so it is tried again without a word.
				before = g.trouble.Load()
				g.refuse(err)
			}
			unreadable = true
			continue
		}
		now := held.sum()
		if unreadable && now == taken {
			unreadable = false
			g.trouble.Store(before)
		}
		settled := now == seen && now != taken
		seen = now
		if !settled { // What is half written may become what was taken.
			continue
		}
		taken, unreadable = now, false
		made, err := g.security.credentials(held)
		if err != nil {
			g.refuse(err)
			continue
		}
		g.take(made)
		g.trouble.Store(nil)
		g.meters.renewed.Inc()
		g.logger.Info("a listener's files are taken over", "listener", g.key)
	}
}

func (g *Guard) refuse(err error) {
	g.trouble.Store(&Trouble{At: time.Now(), Reason: err.Error()})
	g.meters.refused.Inc()
	g.logger.Error("a listener's files are not taken over; it goes on with what it has", "listener", g.key, "error", err)
}

// Secure returns a listener whose connections have done their TLS handshake:
// they are *tls.Conn, with "h2" or "http/1.1" negotiated where the client can.
// Without TLS it is inner itself. Closing it closes inner.
func (g *Guard) Secure(inner net.Listener) net.Listener {
	if !g.security.TLS.Enabled() {
		return inner
	}
	return newSecured(inner, &tls.Config{
		MinVersion:         tls.VersionTLS12, // Where GetConfigForClient says nothing else.
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return g.now.Load().tls, nil },
	}, g.meters)
}

// Denied is why a request is not let in.
type Denied string

// The reasons, as in the label of waybill_listener_denied_requests_total.
const (
	// NoToken is a request without Authorization, or with another scheme.
	NoToken Denied = "no_token"
	// WrongToken is one whose token is none of those that there are.
	WrongToken Denied = "wrong_token"
	// ExpiredCertificate is one on a connection that has outlived the
	// certificate that its client has shown.
	ExpiredCertificate Denied = "expired_certificate"
)

// Error implements error. It has nothing of what was sent.
func (d Denied) Error() string {
	switch d {
	case NoToken:
		return "want a bearer token in the header Authorization"
	case WrongToken:
		return "the bearer token is not known here"
	case ExpiredCertificate:
		return "the client's certificate has expired; connect anew with another"
	}
	return string(d)
}

// Challenge is what a denied client is told in WWW-Authenticate.
const Challenge = `Bearer realm="waybill"`

// Checks says whether Admit may ever deny anything.
func (g *Guard) Checks() bool { return g.security.Auth.Enabled() || g.security.TLS.ClientCAFile != "" }

// Admit decides on a request before its body is read, by all values of its
// header or metadata Authorization, and by its connection, nil without TLS. It
// returns nil or a Denied, which it has counted.
func (g *Guard) Admit(authorization []string, conn *tls.ConnectionState) error {
	if denied := g.Check(authorization, conn); denied != "" {
		g.meters.denied(denied)
		return denied
	}
	return nil
}

// Handler has the next one answer the requests that Admit takes, and answers
// the others 401 in plain text.
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := g.Admit(r.Header.Values("Authorization"), r.TLS); err != nil {
			w.Header().Set("WWW-Authenticate", Challenge)
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Check is Admit for those who are not turned away: it counts nothing, and
// returns why not, or nothing.
func (g *Guard) Check(authorization []string, conn *tls.ConnectionState) Denied {
	if conn != nil && len(conn.PeerCertificates) > 0 && time.Now().After(conn.PeerCertificates[0].NotAfter) {
		return ExpiredCertificate
	}
	if !g.security.Auth.Enabled() {
		return ""
	}
	if len(authorization) != 1 {
		return NoToken
	}
	scheme, token, _ := strings.Cut(authorization[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return NoToken
	}
	if !g.now.Load().knows(strings.TrimSpace(token)) {
		return WrongToken
	}
	return ""
}

// Close ends following the files. Connections and Admit go on.
func (g *Guard) Close() {
	close(g.quit)
	g.running.Wait()
}
