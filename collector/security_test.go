package collector

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/export"
	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/listen/listentest"
)

func TestLoadSecurity(t *testing.T) {
	cfg, err := Load(write(t, `
receive:
  otlp:
    grpc:
      tls: {cert_file: c.pem, key_file: k.pem, client_ca_file: ca.pem, min_version: 1.3}
      auth: {bearer: [one, "${env:HOST}"]}
    http:
      auth:
        bearer: ${env:HOST}
        bearer_file: tokens
`), testEnv, nil)
	if err != nil {
		t.Fatal(err)
	}
	grpc := listen.Security{
		TLS:  listen.TLS{CertFile: "c.pem", KeyFile: "k.pem", ClientCAFile: "ca.pem", MinVersion: listen.TLS13},
		Auth: listen.Auth{Bearer: listen.Tokens{"one", "jaeger"}},
	}
	http := listen.Security{Auth: listen.Auth{Bearer: listen.Tokens{"jaeger"}, BearerFile: "tokens"}}
	if diff := cmp.Diff(grpc, cfg.Receive.OTLP.GRPC.Security, secrets()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(http, cfg.Receive.OTLP.HTTP.Security, secrets()); diff != "" {
		t.Error(diff)
	}
}

// TestNoVariableOpensADoor has a variable that is not set in place of each
// value that protects a listener.
func TestNoVariableOpensADoor(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"auth: {bearer: '${env:NONE}'}", "auth.bearer: "},
		{"auth:\n        bearer: ${env:NONE}", "auth.bearer: "},
		{"auth: {bearer: [good, '${env:NONE}']}", "auth.bearer[1]: "},
		{"auth:\n        bearer:\n          - good\n          - ${env:NONE}", "auth.bearer[1]: "},
		{"auth: {bearer_file: '${env:NONE}'}", "auth.bearer_file: "},
		{"tls: {cert_file: '${env:NONE}', key_file: '${env:NONE}'}", "tls.cert_file: "},
		{"tls: {cert_file: c, key_file: k, client_ca_file: '${env:NONE}'}", "tls.client_ca_file: "},
		{"auth: {bearer: ['']}", "auth.bearer: the token is empty"},
		{"auth: {bearer: 's3cret s3cret'}", "auth.bearer: the token has a character"},
		{"tls: {cert_file: c}", "tls.cert_file: it wants a key_file"},
		{"tls: {cert_file: c, key_file: k, min_version: 1.1}", "tls.min_version: \"1.1\": want 1.2 or 1.3"},
	} {
		_, err := Load(write(t, "receive:\n  otlp:\n    http:\n      "+test.text+"\n"), testEnv, nil)
		if err == nil || !strings.Contains(err.Error(), ": receive.otlp.http."+test.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %s", test.text, err, test.want)
		}
	}
}

// TestCollectorToCollector has one forward to another, which wants a certificate
// and a token, and that to a backend.
func TestCollectorToCollector(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "second")
	clientCert, clientKey := authority.Issue(t, "first")
	for _, protocol := range []export.Protocol{export.HTTP, export.GRPC} {
		t.Run(string(protocol), func(t *testing.T) {
			backend := exporttest.New(t)
			cfg := testConfig(t.TempDir())
			security := listen.Security{
				TLS:  listen.TLS{CertFile: listen.File(cert), KeyFile: listen.File(key), ClientCAFile: listen.File(authority.CAFile())},
				Auth: listen.Auth{Bearer: listen.Tokens{"t0ken"}},
			}
			cfg.Receive.OTLP.GRPC.Security, cfg.Receive.OTLP.HTTP.Security = security, security
			cfg.Export.Traces[0].Endpoint = backend.URL()
			second := run(t, cfg)

			cfg = testConfig(t.TempDir())
			to := export.DefaultDestination()
			to.Protocol, to.Endpoint = protocol, "https://"+second.OTLPHTTP().String()
			if protocol == export.GRPC {
				to.Endpoint = "https://" + second.OTLPGRPC().String()
			}
			to.TLS = export.TLS{CAFile: authority.CAFile(), CertFile: clientCert, KeyFile: clientKey}
			to.Headers = map[string]export.Secret{"Authorization": "Bearer t0ken"}
			cfg.Export.Traces = export.Destinations{to}
			first := run(t, cfg)
			mustPost(t, first, "traces", spanRequest(1, "through both", tracepb.Status_STATUS_CODE_OK))
			backend.Wait(t, "the span", func() bool { return len(backend.Spans(t)) == 1 })
			if name := backend.Spans(t)[0].GetName(); name != "through both" {
				t.Errorf("it arrived as %q", name)
			}
		})
	}
}
