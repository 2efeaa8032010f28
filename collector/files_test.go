package collector

import (
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/collector/export"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/listen/listentest"
)

func TestCheckFiles(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	good := listen.Security{TLS: listen.TLS{CertFile: listen.File(cert), KeyFile: listen.File(key), ClientCAFile: listen.File(authority.CAFile())}}
	cfg := withRule(testConfig(t.TempDir()), good)
	cfg.Export.Traces[0].TLS = export.TLS{CAFile: authority.CAFile(), CertFile: cert, KeyFile: key}
	if err := cfg.CheckFiles(); err != nil {
		t.Errorf("good files: %v", err)
	}
	if err := DefaultConfig().CheckFiles(); err != nil {
		t.Errorf("no files: %v", err)
	}
	gone := listen.Auth{BearerFile: "/nowhere"}
	cfg.Receive.OTLP.GRPC.TLS.KeyFile = listen.File(cert)
	cfg.Receive.Jaeger.Sampling.Address, cfg.Receive.Jaeger.Sampling.Auth = "127.0.0.1:0", gone
	cfg.Receive.Zipkin.Auth = gone // It is off.
	cfg.Derive.Auth, cfg.Admin.Auth = gone, gone
	cfg.Derive.RemoteWrite.TLS.CAFile = "/nowhere"
	second := export.DefaultDestination()
	second.TLS.CertFile, second.TLS.KeyFile = "/nowhere", "/nowhere"
	cfg.Export.Traces = append(cfg.Export.Traces, second)
	err := cfg.CheckFiles()
	if err == nil {
		t.Fatal("files that are not there are good")
	}
	lines := strings.Split(err.Error(), "\n")
	want := []string{
		"admin.auth.bearer_file: open /nowhere", "derive.auth.bearer_file: open /nowhere", "derive.remote_write.tls.ca_file: open /nowhere",
		"export.traces[1].tls.cert_file and key_file: open /nowhere", "receive.otlp.grpc.tls.cert_file and tls.key_file: ", "receive.jaeger.sampling.auth.bearer_file: open /nowhere",
	}
	if len(lines) != len(want) {
		t.Fatalf("%d are told:\n%v", len(lines), err)
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]) {
			t.Errorf("%q, want %q", line, want[i])
		}
	}
}
