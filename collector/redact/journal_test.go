package redact

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

const hashKey = "a key of 20 bytes..."

// hashed is what the action hash makes of a text.
func hashed(text string) string {
	mac := hmac.New(sha256.New, []byte(hashKey))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// check appends a request and compares what comes out.
func check(t *testing.T, cfg Config, signal journal.Signal, in, want proto.Message) {
	t.Helper()
	j, k, _ := before(t, cfg)
	raw := encode(t, in)
	given := bytes.Clone(raw)
	if _, err := j.Append(t.Context(), signal, 1, raw); err != nil {
		t.Fatal(err)
	}
	got := want.ProtoReflect().New().Interface()
	if err := proto.Unmarshal(k.last, got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(raw, given) {
		t.Error("the request itself was changed")
	}
}

func TestRules(t *testing.T) {
	cfg := Config{Enabled: true, HashKey: hashKey, Rules: []Rule{
		{Key: "user.name", Action: Keep},
		{Key: "user.*", Action: Hash},
		{Key: "gone*", Action: Drop},
		{Key: "iban", Action: Mask, KeepLast: 4},
		{Key: "query", Pattern: `id=(\w+)`, Action: Hash},
		{Pattern: `\bjoe\b`, Action: Mask},
		{Pattern: `top secret`, Action: Drop},
	}}
	in := []*common.KeyValue{
		attr("user.name", str("joe")),
		attr("User.Id", number(-7)),
		attr("user.mail", str("joe@example.com")),
		attr("user.tags", list(str("a"), truth(true))),
		attr("user.none", nil),
		attr("gone", str("x")),
		attr("gone.too", mapOf()),
		attr("iban", str("DE02120300000000202051")),
		attr("short", mapOf(attr("iban", str("12345678")))),
		attr("query", str("?id=5&id=6&joe=x")),
		attr("other", str("?id=5")),
		attr("who", list(str("joe"), str("joey"), str("it is top secret"), mapOf(attr("gone", str("x")), attr("x", str("joe"))))),
		attr("raw", &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte("\xffjoe")}}),
		attr("file", str("top secret")),
		attr("query", list(mapOf(attr("inner", str("id=5"))))),
	}
	want := []*common.KeyValue{
		attr("user.name", str("joe")),
		attr("User.Id", str(hashed("-7"))),
		attr("user.mail", str(hashed("joe@example.com"))),
		attr("user.tags", str(hashed(`["a",true]`))),
		attr("user.none", nil),
		attr("iban", str("REDACTED2051")),
		attr("short", mapOf(attr("iban", str("REDACTED")))),
		attr("query", str("?id="+hashed("5")+"&id="+hashed("6")+"&REDACTED=x")),
		attr("other", str("?id=5")),
		attr("who", list(str("REDACTED"), str("joey"), mapOf(attr("x", str("REDACTED"))))),
		attr("raw", &common.AnyValue{Value: &common.AnyValue_BytesValue{BytesValue: []byte("\xffREDACTED")}}),
		attr("query", list(mapOf(attr("inner", str("id="+hashed("5")))))),
	}
	check(t, cfg, journal.Traces, spans("GET joe", in...), spans("GET REDACTED", want...))
	check(t, cfg, journal.Traces, spans("top secret", in...), spans("", want...))
	check(t, cfg, journal.Logs, records(str("joe"), in...), records(str("REDACTED"), want...))
	check(t, cfg, journal.Logs, records(str("top secret"), in...), records(&common.AnyValue{}, want...))
	check(t, cfg, journal.Logs, records(mapOf(in...)), records(mapOf(want...)))
	check(t, cfg, journal.Metrics, points(in...), points(in...))
	cfg.Metrics = true
	check(t, cfg, journal.Metrics, points(in...), points(want...))
	cfg.Enabled = false
	check(t, cfg, journal.Traces, spans("GET joe", in...), spans("GET joe", in...))
}

func TestDefaults(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Enabled = true
	cfg.Rules = []Rule{{Key: "password_policy", Action: Keep}}
	in := []*common.KeyValue{
		attr("http.request.header.authorization", list(str("Bearer abc123def456"))),
		attr("http.request.header.cookie", list(str("a=b"))),
		attr("http.request.header.x-api-key", list(str("k"))),
		attr("db.Password", str("hunter2")),
		attr("password_policy", str("strict")),
		attr("password_set", truth(true)),
		attr("pin.secret", number(1234)),
		attr("url.full", str("https://joe:pass@host/?token=t1")),
		attr("message", str("authorization: Bearer abc123def456, card 4111 1111 1111 1111")),
		attr("order.id", str("4111111111111112")),
		attr("http.route", str("/api/v1/orders/{id}")),
		attr("gen_ai.usage.input_tokens", number(5)),
	}
	want := []*common.KeyValue{
		attr("http.request.header.authorization", str("REDACTED")),
		attr("http.request.header.cookie", str("REDACTED")),
		attr("http.request.header.x-api-key", str("REDACTED")),
		attr("db.Password", str("REDACTED")),
		attr("password_policy", str("strict")),
		attr("password_set", truth(true)),
		attr("pin.secret", str("REDACTED")),
		attr("url.full", str("https://joe:REDACTED@host/?token=REDACTED")),
		attr("message", str("authorization: Bearer REDACTED, card REDACTED")),
		attr("order.id", str("4111111111111112")),
		attr("http.route", str("/api/v1/orders/{id}")),
		attr("gen_ai.usage.input_tokens", number(5)),
	}
	check(t, cfg, journal.Traces, spans("charge 4111111111111111", in...), spans("charge REDACTED", want...))
	check(t, cfg, journal.Logs,
		records(str(`{"password":"hunter2","card":"4111111111111111"}`), in...), records(str(`{"password":"REDACTED","card":"REDACTED"}`), want...))
}

func TestCounts(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Enabled = true
	cfg.Rules = []Rule{{Name: "mine", Pattern: "joe", Action: Mask}, {Key: "gone", Action: Drop}}
	j, _, reg := before(t, cfg)
	request := encode(t, records(str("joe and joe pay with 4111111111111111"), attr("gone", str("x"))))
	for range 2 {
		if _, err := j.Append(t.Context(), journal.Logs, 1, request); err != nil {
			t.Fatal(err)
		}
	}
	want := `# HELP waybill_redact_values_total Values and parts of texts that were dropped, masked or hashed, by rule.
# TYPE waybill_redact_values_total counter
waybill_redact_values_total{rule="card-numbers"} 2
waybill_redact_values_total{rule="gone"} 4
waybill_redact_values_total{rule="mine"} 4
waybill_redact_values_total{rule="passwords"} 0
waybill_redact_values_total{rule="passwords-in-text"} 0
waybill_redact_values_total{rule="passwords-in-urls"} 0
waybill_redact_values_total{rule="tokens"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestWhatCannotBeRedactedIsNotAppended(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Enabled = true
	j, k, _ := before(t, cfg)
	if _, err := j.Append(t.Context(), journal.Traces, 1, []byte{0x0a, 0x05, 0x01}); !errors.Is(err, wire.ErrMalformed) || k.last != nil {
		t.Errorf("%v, and %q was appended", err, k.last)
	}
	k.err = journal.ErrFull
	if _, err := j.Append(t.Context(), journal.Traces, 1, encode(t, spans("password=x"))); !errors.Is(err, journal.ErrFull) {
		t.Errorf("%v", err)
	}
	if !j.room.TryAcquire(maxAtOnce) {
		t.Fatal("room was not given back")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.Append(ctx, journal.Traces, 1, encode(t, spans("x"))); !errors.Is(err, context.Canceled) {
		t.Errorf("without room: %v", err)
	}
}

func TestReconfigure(t *testing.T) {
	j, k, _ := before(t, DefaultConfig())
	request := encode(t, spans("4111111111111111", attr("a", str("b"))))
	kept := func() []byte {
		t.Helper()
		if _, err := j.Append(t.Context(), journal.Traces, 1, request); err != nil {
			t.Fatal(err)
		}
		return k.last
	}
	if !bytes.Equal(kept(), request) {
		t.Error("off, it changed something")
	}
	on := DefaultConfig()
	on.Enabled = true
	if err := j.Reconfigure(on); err != nil || bytes.Contains(kept(), []byte("4111111111111111")) {
		t.Errorf("%v; on, it changed nothing", err)
	}
	on.Rules = []Rule{{}}
	if err := j.Reconfigure(on); err == nil || bytes.Contains(kept(), []byte("4111111111111111")) {
		t.Errorf("%v; after a bad configuration the last was not in force", err)
	}
	if err := j.Reconfigure(DefaultConfig()); err != nil || !bytes.Equal(kept(), request) {
		t.Errorf("%v; off again, it changed something", err)
	}
	if _, err := Before(k, on, prometheus.NewRegistry()); err == nil {
		t.Error("Before took a bad configuration")
	}
}

// TestMemoryIsUsedAgain has receivers put the next request where the last one
// was, with another key in the same place.
func TestMemoryIsUsedAgain(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Enabled = true
	j, k, _ := before(t, cfg)
	request := &collogs.ExportLogsServiceRequest{ResourceLogs: []*logs.ResourceLogs{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{attr("harmless", str("hunter2"))}},
	}}}
	memory := encode(t, request)
	front, _, _ := bytes.Cut(memory, []byte("harmless"))
	key := memory[len(front):][:len("harmless")]
	for _, name := range []string{"harmless", "password", "harmless"} {
		copy(key, name)
		if _, err := j.Append(t.Context(), journal.Logs, 1, memory); err != nil {
			t.Fatal(err)
		}
		if kept := bytes.Contains(k.last, []byte("hunter2")); kept != (name == "harmless") {
			t.Errorf("of the key %s the value was kept: %v", name, kept)
		}
	}
}

// TestAtOnce is for the race detector, and for memory that would be shared.
func TestAtOnce(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Enabled = true
	var busy sync.WaitGroup
	j, err := Before(safeKeeper{t: t}, cfg, prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		busy.Go(func() {
			request := encode(t, spans(strings.Repeat("4111111111111111 ", i+1), attr("password", str("x"))))
			for n := range 40 {
				if _, err := j.Append(t.Context(), journal.Traces, uint32(i+1), request); err != nil {
					t.Error(err)
				}
				if n%10 == 0 {
					if err := j.Reconfigure(cfg); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	busy.Wait()
}

// safeKeeper checks what it gets: as many times REDACTED as there are items.
type safeKeeper struct {
	journal.Journal

	t *testing.T
}

func (k safeKeeper) Append(_ context.Context, _ journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	// As name, event's name and message; the attribute in five places.
	if n, want := bytes.Count(payload, []byte(redacted)), int(3*items+5); n != want {
		k.t.Errorf("%d times %s, want %d", n, redacted, want)
	}
	return 0, nil
}
