package export

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/listen/listentest"
)

// newSecureRig has a backend that is called otlp.example, and serves with TLS.
func newSecureRig(t *testing.T, protocol Protocol, authority *listentest.Authority, mutual bool) *rig {
	t.Helper()
	cfg := authority.Server(t, "otlp.example", mutual)
	if protocol == HTTP {
		return newRigWith(t, HTTP, exporttest.NewTLS(t, cfg))
	}
	r := newRigWith(t, GRPC, exporttest.NewGRPC(t, grpc.Creds(credentials.NewTLS(cfg))))
	r.cfg.Traces[0].Endpoint = "https://" + r.backend.URL()
	return r
}

func TestTLS(t *testing.T) {
	authority, stranger := listentest.NewAuthority(t), listentest.NewAuthority(t)
	certFile, keyFile := authority.Issue(t, "collector")
	otherCert, otherKey := stranger.Issue(t, "collector")
	for name, test := range map[string]struct {
		mutual bool
		tls    TLS
		wrong  string // in the reason why nothing arrives
	}{
		"trusted":              {tls: TLS{CAFile: authority.CAFile()}},
		"by its name":          {tls: TLS{CAFile: authority.CAFile(), ServerName: "otlp.example"}},
		"by another name":      {tls: TLS{CAFile: authority.CAFile(), ServerName: "other.example"}, wrong: "other.example"},
		"unknown":              {wrong: "unknown authority"},
		"signed by another":    {tls: TLS{CAFile: stranger.CAFile()}, wrong: "unknown authority"},
		"not verified":         {tls: TLS{InsecureSkipVerify: true}},
		"mutual":               {mutual: true, tls: TLS{CAFile: authority.CAFile(), CertFile: certFile, KeyFile: keyFile}},
		"mutual, without":      {mutual: true, tls: TLS{CAFile: authority.CAFile()}, wrong: "certificate required"},
		"mutual, by another's": {mutual: true, tls: TLS{CAFile: authority.CAFile(), CertFile: otherCert, KeyFile: otherKey}, wrong: "certificate"},
	} {
		for protocol := range protocols {
			t.Run(string(protocol)+" "+name, func(t *testing.T) {
				r := newSecureRig(t, protocol, authority, test.mutual)
				r.cfg.Traces[0].TLS = test.tls
				r.append("a")
				r.start()
				if test.wrong == "" {
					r.waitFor("a")
					return
				}
				r.eventually("it is tried again", func() bool { return r.metric("retries_total") >= 3 })
				if got := r.names(); len(got) > 0 {
					t.Errorf("it took %v", got)
				}
				r.eventually("the status says why", func() bool {
					return strings.Contains(r.running.Status()[0].LastError, test.wrong)
				})
			})
		}
	}
}

// TestRenewedCertificate has a client's certificate replaced while it runs.
func TestRenewedCertificate(t *testing.T) {
	for protocol := range protocols {
		t.Run(string(protocol), func(t *testing.T) {
			authority, stranger := listentest.NewAuthority(t), listentest.NewAuthority(t)
			r := newSecureRig(t, protocol, authority, true)
			dir := t.TempDir()
			to := TLS{CAFile: authority.CAFile(), CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
			install(t, stranger, to)
			r.cfg.Traces[0].TLS = to
			r.append("a")
			r.start()
			r.eventually("it is tried again", func() bool { return r.metric("retries_total") >= 2 })
			install(t, authority, to)
			r.waitFor("a")
		})
	}
}

func install(t *testing.T, from *listentest.Authority, to TLS) {
	t.Helper()
	certFile, keyFile := from.Issue(t, "collector")
	for source, target := range map[string]string{certFile: to.CertFile, keyFile: to.KeyFile} {
		data, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFilesOfNoUse(t *testing.T) {
	authority := listentest.NewAuthority(t)
	certFile, keyFile := authority.Issue(t, "collector")
	_, otherKey := authority.Issue(t, "other")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, tls := range map[string]TLS{
		"ca_file: open":                   {CAFile: empty + ".none"},
		"ca_file: no certificate":         {CAFile: empty},
		"cert_file and key_file: open":    {CertFile: certFile, KeyFile: empty + ".none"},
		"cert_file and key_file: tls: pr": {CertFile: certFile, KeyFile: otherKey},
		"cert_file and key_file: tls: fa": {CertFile: empty, KeyFile: keyFile},
	} {
		for protocol := range protocols {
			r := newRig(t)
			r.cfg.Traces[0].Endpoint, r.cfg.Traces[0].Protocol, r.cfg.Traces[0].TLS = "https://localhost:1", protocol, tls
			err := r.tryStart()
			if err == nil || !strings.Contains(err.Error(), "export traces to default: "+want) {
				t.Errorf("%s %+v: start = %v, want %q", protocol, tls, err, want)
			}
			if cursors := r.journal.Stats().Cursors; len(cursors) > 0 {
				t.Errorf("cursors %v of what never ran", cursors)
			}
		}
	}
}
