package listen

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/waybill-dev/waybill/collector/listen/listentest"
)

// patience is how long a test waits for what must happen, on a busy machine.
const patience = 30 * time.Second

// rig is a guard with what it logs and counts.
type rig struct {
	*Guard
	meters *Meters
	log    *logBuffer
}

func newRig(t *testing.T, s Security) *rig {
	t.Helper()
	r, err := tryRig(t, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func tryRig(t *testing.T, s Security) (*rig, error) {
	t.Helper()
	m, err := NewMeters(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	read, err := s.prepare("receive.test")
	if err != nil {
		return nil, err
	}
	r := &rig{meters: m, log: &logBuffer{}}
	r.Guard = read.guard(m, slog.New(slog.NewTextHandler(r.log, nil)), 20*time.Millisecond)
	return r, nil
}

func (r *rig) denials(reason Denied) float64 {
	return testutil.ToFloat64(r.meters.requests.WithLabelValues("receive.test", string(reason)))
}

func (r *rig) failures(reason string) float64 {
	return testutil.ToFloat64(r.meters.handshakes.WithLabelValues("receive.test", reason))
}

func (r *rig) changes(outcome string) float64 {
	return testutil.ToFloat64(r.meters.renewals.WithLabelValues("receive.test", outcome))
}

// logBuffer is safe for concurrent use.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func writeFile(t *testing.T, path, text string) File {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "file")
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return File(path)
}

func TestAdmit(t *testing.T) {
	r := newRig(t, Security{Auth: Auth{
		Bearer:     Tokens{"first", "second"},
		BearerFile: writeFile(t, "", "# of the gateway\nthird\n\n  fourth  \n"),
	}})
	for _, test := range []struct {
		authorization []string
		want          Denied
	}{
		{[]string{"Bearer first"}, ""},
		{[]string{"bearer second"}, ""},
		{[]string{"BEARER  third "}, ""},
		{[]string{"Bearer fourth"}, ""},
		{nil, NoToken},
		{[]string{""}, NoToken},
		{[]string{"first"}, NoToken},
		{[]string{"Basic Zmlyc3Q6"}, NoToken},
		{[]string{"Bearer first", "Bearer first"}, NoToken},
		{[]string{"Bearer"}, WrongToken},
		{[]string{"Bearer "}, WrongToken},
		{[]string{"Bearer firs"}, WrongToken},
		{[]string{"Bearer first2"}, WrongToken},
		{[]string{"Bearer First"}, WrongToken},
		{[]string{"Bearer # of the gateway"}, WrongToken},
		{[]string{"Bearer first second"}, WrongToken},
	} {
		err := r.Admit(test.authorization, nil)
		denied, _ := errors.AsType[Denied](err)
		if denied != test.want || (err == nil) != (test.want == "") {
			t.Errorf("%q: %v, want %q", test.authorization, err, test.want)
		}
	}
	if none, wrong := r.denials(NoToken), r.denials(WrongToken); none != 5 || wrong != 7 {
		t.Errorf("counted %v without and %v with a wrong token", none, wrong)
	}
	if !r.Checks() || newRig(t, Security{}).Checks() {
		t.Error("who checks is not who is to")
	}
	if err := newRig(t, Security{}).Admit(nil, nil); err != nil {
		t.Errorf("a guard that lets everybody in: %v", err)
	}
}

// TestCertificateThatExpiresMeanwhile has a connection that outlives what its
// client has shown.
func TestCertificateThatExpiresMeanwhile(t *testing.T) {
	r := newRig(t, Security{})
	shown := func(until time.Time) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{NotAfter: until}}}
	}
	if err := r.Admit(nil, shown(time.Now().Add(time.Minute))); err != nil {
		t.Error(err)
	}
	if err := r.Admit(nil, shown(time.Now().Add(-time.Minute))); !errors.Is(err, ExpiredCertificate) {
		t.Errorf("%v", err)
	}
}

func TestFilesOfNoUse(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	_, otherKey := authority.Issue(t, "other")
	none, empty := File(filepath.Join(t.TempDir(), "none")), writeFile(t, "", "")
	ours := TLS{CertFile: File(cert), KeyFile: File(key)}
	with := func(change func(*TLS)) Security {
		changed := ours
		change(&changed)
		return Security{TLS: changed}
	}
	for _, test := range []struct {
		security Security
		want     string
	}{
		{with(func(c *TLS) { c.CertFile = none }), "tls.cert_file: open " + string(none)},
		{with(func(c *TLS) { c.KeyFile = none }), "tls.key_file: open "},
		{with(func(c *TLS) { c.KeyFile = File(otherKey) }), "tls.cert_file and tls.key_file: tls: private key does not match"},
		{with(func(c *TLS) { c.CertFile = empty }), "tls.cert_file and tls.key_file: tls: failed to find"},
		{with(func(c *TLS) { c.ClientCAFile = none }), "tls.client_ca_file: open "},
		{with(func(c *TLS) { c.ClientCAFile = empty }), "tls.client_ca_file: no certificate in it"},
		{Security{Auth: Auth{BearerFile: none}}, "auth.bearer_file: open "},
		{Security{Auth: Auth{BearerFile: empty}}, "auth.bearer_file: no token in it"},
		{Security{Auth: Auth{BearerFile: writeFile(t, "", "good\ns3cret s3cret\n")}}, "auth.bearer_file: line 2: the token has a character"},
		{Security{Auth: Auth{BearerFile: writeFile(t, "", strings.Repeat("x", maxFile+1))}}, "is larger than"},
	} {
		r, err := tryRig(t, test.security)
		if err == nil {
			r.Close()
			t.Errorf("want %q", test.want)
		} else if !strings.HasPrefix(err.Error(), "receive.test.") || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v, want receive.test.%s", err, test.want)
		}
	}
}

func TestTokensAreRotated(t *testing.T) {
	path := string(writeFile(t, "", "old\n"))
	r := newRig(t, Security{Auth: Auth{Bearer: Tokens{"always"}, BearerFile: File(path)}})
	admits := func(token string) bool { return r.Admit([]string{"Bearer " + token}, nil) == nil }
	writeFile(t, path, "old\nnew\n")
	eventually(t, "the new token is known", func() bool { return admits("new") })
	writeFile(t, path, "spoilt spoilt\n")
	eventually(t, "the spoilt file is refused", func() bool { return r.changes("refused") == 1 })
	if trouble := r.state().Trouble; trouble.At.IsZero() || !strings.Contains(trouble.Reason, "auth.bearer_file: line 1: the token has a character") {
		t.Errorf("of the spoilt file it is told: %+v", trouble)
	}
	if !admits("old") || !admits("new") || !admits("always") {
		t.Error("a spoilt file has shut somebody out")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the missing file is told", func() bool { return r.changes("refused") == 2 })
	if reason := r.state().Trouble.Reason; !strings.Contains(reason, "no such file") {
		t.Errorf("of the missing file it is told: %s", reason)
	}
	writeFile(t, path, "spoilt spoilt\n")
	eventually(t, "it is what it was", func() bool { return strings.Contains(r.state().Trouble.Reason, "line 1") })
	writeFile(t, path, "new\n")
	eventually(t, "the old token is known no more", func() bool { return !admits("old") })
	if !admits("new") || !admits("always") || r.changes("applied") != 2 {
		t.Errorf("after the rotation: %v, %v, %v changes", admits("new"), admits("always"), r.changes("applied"))
	}
	eventually(t, "the trouble is over", func() bool { return r.state().Trouble == Trouble{} })
	if text := r.log.String(); strings.Contains(text, "spoilt spoilt") || strings.Count(text, "not taken over") != 2 {
		t.Errorf("logged:\n%s", text)
	}
}
