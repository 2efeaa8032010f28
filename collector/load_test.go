package collector

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/collector/export"
	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/file"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/redact"
)

// write puts a configuration into a file.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "collector.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadWithoutFileIsTheDefault(t *testing.T) {
	for _, path := range []string{"", write(t, ""), write(t, "# nothing\n"), write(t, "export:\nderive: ~\n")} {
		got, err := Load(path, testEnv, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(DefaultConfig(), got); diff != "" {
			t.Errorf("%q: %s", path, diff)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default is not valid: %v", err)
	}
}

func TestLoadEveryKey(t *testing.T) {
	got, err := Load(write(t, `
receive:
  otlp:
    grpc: {address: "off"}
    http: {address: "0.0.0.0:4318"}
  max_request_bytes: 1MiB
  max_inflight_bytes: 16777216
redact:
  enabled: true
  defaults: false
  metrics: true
  hash_key: ${env:DOLLAR}-and-the-rest
  rules:
    - {key: user.id, action: hash}
    - name: cards
      pattern: 'card \w+'
      keep_last: 4
journal:
  dir: /var/lib/waybill
  max_bytes: 3GiB
  segment_bytes: 64 MiB
  sync: never
  retain: true
  max_age: 24h
derive:
  address: ":8889"
  max_series: 5000
  expire_after: 90s
export:
  traces: &there
    endpoint: http://${env:HOST}:4318
    headers: {Authorization: "Bearer ${env:DOLLAR}", X-Empty: ""}
    timeout: 5s
    compression: none
    max_batch_bytes: 1MB
  metrics: *there
  logs:
    endpoint: ${env:NONE}
    timeout: ${env:NONE:-7s}
admin:
  address: ${env:NONE}
  stall_after: 2m
`), testEnv, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Receive.OTLP.GRPC.Address = "off"
	want.Receive.OTLP.HTTP.Address = "0.0.0.0:4318"
	want.Receive.MaxRequestBytes = 1 << 20
	want.Receive.MaxInflightBytes = 16 << 20
	want.Journal = file.Config{
		Dir: "/var/lib/waybill", MaxBytes: 3 << 30, SegmentBytes: 64 << 20, Sync: file.SyncNever, Retain: true, MaxAge: 24 * time.Hour,
	}
	want.Redact = redact.Config{
		Enabled: true, Metrics: true, HashKey: "a$$b${HOST}-and-the-rest",
		Rules: []redact.Rule{{Key: "user.id", Action: redact.Hash}, {Name: "cards", Pattern: `card \w+`, Action: redact.Mask, KeepLast: 4}},
	}
	want.Derive.Address = ":8889"
	want.Derive.MaxSeries = 5000
	want.Derive.ExpireAfter = 90 * time.Second
	want.Export.Traces = export.Destinations{{
		Name: "default", Protocol: "http", Endpoint: "http://jaeger:4318", Timeout: 5 * time.Second, Compression: "none", MaxBatchBytes: 1e6, Linger: 50 * time.Millisecond,
		Headers: map[string]export.Secret{"Authorization": "Bearer a$$b${HOST}", "X-Empty": ""},
	}}
	want.Export.Metrics = want.Export.Traces
	want.Export.Logs[0].Timeout = 7 * time.Second
	want.Admin.StallAfter = 2 * time.Minute
	if diff := cmp.Diff(want, got, secrets()); diff != "" {
		t.Error(diff)
	}
}

// secrets makes their values comparable, which are not printed otherwise.
func secrets() cmp.Options {
	return cmp.Options{
		cmp.Transformer("secret", func(s export.Secret) []byte { return []byte(s) }),
		cmp.Transformer("token", func(s listen.Token) []byte { return []byte(s) }),
		cmp.Transformer("key", func(s redact.Key) []byte { return []byte(s) }),
	}
}

func TestLoadNamesTheLine(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"exprot: {}", ":1: exprot: unknown key; did you mean export? known are admin, derive, export, journal, receive, redact, sample, viewer"},
		{"admin:\n  addr: x", ":2: admin.addr: unknown key; did you mean address? known are address, auth, drain, log_level, stall_after, tls"},
		{"admin:\n  address: x\n  address: y", ":3: admin.address: the key is there twice"},
		{"admin: {}\nadmin: {}", ":2: admin: the key is there twice"},
		{"admin: yes", ":1: admin: want the keys address, auth, drain, log_level, stall_after, tls"},
		{"admin:\n  - address", ":2: admin: want the keys"},
		{"admin:\n  [a]: b", ":2: admin: want a plain key"},
		{"- admin", ":1: want the keys"},
		{"admin:\n\n  stall_after: 5", `:3: admin.stall_after: "5": want a duration`},
		{"admin:\n  stall_after: -5s", ":2: admin.stall_after: -5s is negative"},
		{"admin: {address: nowhere}", ":1: admin.address: address nowhere: missing port"},
		{"derive:\n  max_series: 1e4", `:2: derive.max_series: "1e4": want a whole number`},
		{"derive:\n  max_series: 99999999999999999999", "want a whole number"},
		{"derive:\n  max_series: [1]", ":2: derive.max_series: want a single value"},
		{"derive:\n  max_series: 1", ":2: derive.max_series: 1: want at least 100"},
		{"redact:\n  rules:\n    - key: a\n      action: hide", `:4: redact.rules[0].action: "hide": want drop, mask, hash or keep`},
		{"redact:\n  rules:\n    - key: a\n    - action: drop", ":4: redact.rules[1].key: a rule needs a key, a pattern, or both"},
		{"redact:\n  hash_key: x\n", ":2: redact.hash_key: 1 bytes: want at least 16"},
		{"journal:\n  max_bytes: 10 apples", `:2: journal.max_bytes: "10 apples": want a size`},
		{"journal:\n  max_bytes: -1KiB", `"-1KiB": want a size`},
		{"journal:\n  max_bytes: 9999999TiB", `"9999999TiB": size is too large`},
		{"journal:\n  retain: on", `:2: journal.retain: "on": want true or false`},
		{"journal:\n  sync: sometimes", `:2: journal.sync: "sometimes": want "always"`},
		{"journal:\n  dir: ''", ":2: journal.dir: the journal's directory is not set"},
		{"journal:\n  dir: x\n  segment_bytes: 1GiB\n  max_bytes: 1GiB", ":3: journal.segment_bytes: 1073741824 bytes: want at most half"},
		{"receive:\n  otlp:\n    http:\n      address: 4318", ":4: receive.otlp.http.address: address 4318: missing port"},
		{"receive:\n  max_inflight_bytes: 32MiB", ":2: receive.max_inflight_bytes: 33554432 is less than max_request_bytes"},
		{"receive:\n  max_request_bytes: 512MiB", ":2: receive: max_inflight_bytes: 268435456 is less than max_request_bytes"},
		{"export:\n  traces:\n    endpoint: jaeger:4318", ":3: export.traces.endpoint: want http://"},
		{"export:\n  logs:\n    endpoint: http://loki/?a=b", ":3: export.logs.endpoint: "},
		{"export:\n  traces:\n    compression: lz4", `:3: export.traces.compression: "lz4": want gzip, zstd or none`},
		{"export:\n  traces:\n    - {name: a, timeout: 0s}\n    - {name: b}", ":3: export.traces[0].timeout: 0s is not positive"},
		{"export:\n  traces:\n    - name: a\n    - name: b\n    - name: a", `:5: export.traces[2].name: "a" is there twice`},
		{"export:\n  traces:\n    - {}\n    - {}", `:4: export.traces[1].name: "default" is there twice`},
		{"export:\n  traces:\n    - timeout: 1s\n      protocol: udp", `:4: export.traces.protocol: "udp": want http or grpc`},
		{"export:\n  logs:\n    endpoint: http://a\n    tls:\n      ca_file: x", ":3: export.logs.endpoint: tls is set, so it is to begin with https://"},
		{"export:\n  logs:\n    tls:\n      key_file: x", ":4: export.logs.tls.key_file: it wants a cert_file"},
		{"export:\n  logs: http://loki", ":2: export.logs: want the keys compression, endpoint"},
		{"export:\n  dead_letters:\n    max_bytes: 1kB", ":3: export.dead_letters.max_bytes: 1000: want 0, or at least 1048576"},
		{"export:\n  traces:\n    headers: Bearer", ":3: export.traces.headers: want names with values"},
		{"export:\n  traces:\n    headers:\n      a: [b]", ":4: export.traces.headers.a: want a single value"},
		{"export:\n  traces:\n    timeout: ${env:NONE", ":3: export.traces.timeout: ${ without a closing brace"},
		{"viewer:\n  hosts: x", ":2: viewer.hosts: want a list"},
		{"viewer:\n  max: 0", ":2: viewer.max: 0 is not positive"},
		{"a: b: c", ":1: mapping values are not allowed"},
		{"admin: {}\n---\nadmin: {}", ": a second document"},
		{"admin:\n\t- x", "cannot start any token (is it a tab?"},
	} {
		_, err := Load(write(t, test.text), testEnv, map[string]any{"viewer": newGuest()})
		if err == nil || !strings.Contains(err.Error(), "collector.yaml"+test.want) && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v; want %q", test.text, err, test.want)
		}
		if err != nil && !strings.Contains(err.Error(), "collector.yaml:") {
			t.Errorf("%q: %v; it names no file and line", test.text, err)
		}
	}
}

func TestLoadDestinations(t *testing.T) {
	got, err := Load(write(t, `
export:
  traces:
    - endpoint: http://jaeger:4318
    - name: vendor
      endpoint: otlp.example.com:4317
      protocol: grpc
      timeout: 5s
  metrics:
    name: prometheus
  logs: []
`), testEnv, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := export.DefaultConfig()
	want.Traces[0].Endpoint = "http://jaeger:4318"
	vendor := export.DefaultDestination()
	vendor.Name, vendor.Endpoint, vendor.Protocol, vendor.Timeout = "vendor", "otlp.example.com:4317", export.GRPC, 5*time.Second
	want.Traces = append(want.Traces, vendor)
	want.Metrics[0].Name = "prometheus"
	want.Logs = export.Destinations{}
	if diff := cmp.Diff(want, got.Export); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"export-traces", "export-traces-vendor"}, got.Export.Readers(journal.Traces)); diff != "" {
		t.Error(diff)
	}
}

func TestLoadReportsAllAtOnce(t *testing.T) {
	_, err := Load(write(t, "admin:\n  a: 1\n  b: 2\nderive:\n  max_series: 0\n  expire_after: -1s\n"), testEnv, nil)
	for _, want := range []string{":2: admin.a", ":3: admin.b", ":5: derive.max_series", ":6: derive.expire_after"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want also %q", err, want)
		}
	}
}

// What cannot be decoded hides nothing else that is wrong in its section, nor
// does its default make something wrong that may not be.
func TestLoadReportsBesideWhatIsNotDecoded(t *testing.T) {
	_, err := Load(write(t, `
journal:
  max_bytes: 8 gigs
  segment_bytes: 1GiB
  sync: sometimes
admin: {address: nowhere, drain: soon, log_level: loud}
export:
  traces: {endpiont: "http://jaeger:4318", timeout: 0s}
  logs:
    tls: {ca_flie: x, key_file: y}
`), testEnv, nil)
	if err == nil {
		t.Fatal("it was taken")
	}
	var got []string
	for line := range strings.Lines(err.Error()) {
		_, reason, _ := strings.Cut(line, "collector.yaml")
		got = append(got, strings.Join(strings.SplitN(reason, ": ", 3)[:2], ": "))
	}
	want := []string{
		":3: journal.max_bytes", ":5: journal.sync",
		":6: admin.drain", ":6: admin.log_level", ":6: admin.address",
		":8: export.traces.endpiont", ":10: export.logs.tls.ca_flie", ":8: export.traces.timeout", ":10: export.logs.tls.key_file",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if !strings.Contains(err.Error(), `"loud": want debug, info, warn or error`) {
		t.Errorf("%v; want it to name the levels", err)
	}
}

func TestLoadTellsNoSecrets(t *testing.T) {
	getenv := func(string) (string, bool) { return "s3cret", true }
	for _, text := range []string{
		"export:\n  traces:\n    headers: {a: \"s3cret\\n\"}",
		"export:\n  traces:\n    headers: {\"a b\": s3cret}",
		"export:\n  traces:\n    endpoint: http://user:s3cret@h:1/?x",
		"export:\n  traces:\n    endpoint: http://user:s3cret@h:x",
		"export:\n  traces:\n    endpoint: user:s3cret@h:1",
		"export:\n  traces:\n    endpoint: ftp://user:s3cret@h",
		"export:\n  traces:\n    timeout: ${env:X}",
		"derive:\n  max_series: ${env:X}",
		"redact:\n  hash_key: ${env:X}",
		"journal:\n  max_bytes: ${env:X}",
	} {
		_, err := Load(write(t, text), getenv, nil)
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", text, err)
		}
	}
	cfg, err := Load(write(t, "export:\n  traces:\n    headers: {a: s3cret}"), getenv, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, cfg); strings.Contains(text, "s3cret") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

// guest stands for a section that another program adds.
type guest struct {
	Hosts []string `yaml:"hosts"`
	Max   int      `yaml:"max"`
	Ratio float64  `yaml:"ratio"`
}

func newGuest() *guest { return &guest{Max: 1, Ratio: 0.5} }

func (g *guest) Validate() error {
	if g.Max < 1 {
		return fmt.Errorf("max: %d is not positive", g.Max)
	}
	return nil
}

func TestLoadMoreSections(t *testing.T) {
	g := newGuest()
	text := "viewer:\n  hosts: [a, \"${env:HOST}\"]\n  max: 7\nadmin: {address: \"off\"}\n"
	cfg, err := Load(write(t, text), testEnv, map[string]any{"viewer": g})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&guest{Hosts: []string{"a", "jaeger"}, Max: 7, Ratio: 0.5}, g); diff != "" {
		t.Error(diff)
	}
	if cfg.Admin.Enabled() {
		t.Error("the other sections were not read")
	}
	if _, err := Load(write(t, text), testEnv, nil); err == nil || !strings.Contains(err.Error(), ":1: viewer: unknown key") {
		t.Errorf("without the section: %v", err)
	}
}

func TestLoadWithoutTheFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), testEnv, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load = %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("export:\n  traces: &a {headers: {x: y}}\n  logs: *a\n")
	f.Add("admin: [1, {a: b}]\njournal: {max_bytes: 5MiB}\n? [x]\n: y\n")
	f.Fuzz(func(_ *testing.T, text string) {
		cfg := DefaultConfig()
		d := document{name: "fuzz", getenv: testEnv}
		if d.decode([]byte(text), cfg.sections()) != nil {
			return
		}
		if err := cfg.Validate(); err != nil {
			panic(fmt.Sprintf("decoded what is not valid: %v", err))
		}
	})
}
