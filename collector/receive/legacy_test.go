package receive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/jaegertracing/jaeger-idl/model/v1"
	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/agent"
	thriftjaeger "github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"github.com/prometheus/client_golang/prometheus"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/collector/receive/jaeger"
)

// legacyConfig has every listener on a free port.
func legacyConfig() Config {
	cfg := testConfig()
	for _, address := range []*string{
		&cfg.Jaeger.ThriftCompact.Address, &cfg.Jaeger.ThriftBinary.Address, &cfg.Jaeger.ThriftHTTP.Address, &cfg.Jaeger.GRPC.Address,
		&cfg.Jaeger.Sampling.Address, &cfg.Zipkin.Address, &cfg.Loki.Address,
	} {
		*address = "127.0.0.1:0"
	}
	return cfg
}

// jaegerBatch has n spans.
func jaegerBatch(n int) *thriftjaeger.Batch {
	batch := &thriftjaeger.Batch{Process: &thriftjaeger.Process{ServiceName: "shop"}}
	for i := range n {
		batch.Spans = append(batch.Spans, &thriftjaeger.Span{TraceIdLow: 7, SpanId: int64(i + 1), OperationName: "checkout", Duration: 1000})
	}
	return batch
}

// binaryBatch is the batch as it is posted.
func binaryBatch(t testing.TB, batch *thriftjaeger.Batch) []byte {
	t.Helper()
	sent := thrift.NewTMemoryBuffer()
	if err := batch.Write(t.Context(), thrift.NewTBinaryProtocolConf(sent, nil)); err != nil {
		t.Fatal(err)
	}
	return sent.Bytes()
}

// emitBatch sends the batch in one datagram, as clients of Jaeger's agent do.
func emitBatch(t testing.TB, addr net.Addr, protocols thrift.TProtocolFactory, batch *thriftjaeger.Batch) {
	t.Helper()
	sent := thrift.NewTMemoryBuffer()
	client := agent.NewAgentClientFactory(sent, protocols)
	if err := client.EmitBatch(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	sendDatagram(t, addr, sent.Bytes())
}

func sendDatagram(t testing.TB, addr net.Addr, packet []byte) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "udp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(packet); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request and returns status, header and body of the answer.
func ask(t testing.TB, method string, addr net.Addr, path string, body []byte, headers ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr.String()+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(answer)
}

// postSpans calls Jaeger's collector as an agent does.
func postSpans(t testing.TB, addr net.Addr, batch model.Batch) error {
	t.Helper()
	conn, err := grpc.NewClient(addr.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = api_v2.NewCollectorServiceClient(conn).PostSpans(t.Context(), &api_v2.PostSpansRequest{Batch: batch})
	return err
}

func modelBatch() model.Batch {
	return model.Batch{
		Process: model.NewProcess("shop", nil),
		Spans:   []*model.Span{{TraceID: model.NewTraceID(0, 7), SpanID: 1, OperationName: "checkout"}},
	}
}

func lokiPush(t testing.TB) []byte {
	t.Helper()
	raw, err := (&push.PushRequest{Streams: []push.Stream{{Labels: `{job="shop"}`, Entries: []push.Entry{{Line: "sold"}}}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return snappy.Encode(nil, raw)
}

const zipkinSpans = `[{"traceId":"7","id":"1","name":"checkout","localEndpoint":{"serviceName":"shop"}}]`

// TestLegacySenders: each of them is answered as it expects, and its telemetry
// is in the journal by then.
func TestLegacySenders(t *testing.T) {
	tests := map[string]struct {
		via     transport
		signal  journal.Signal
		content string
		send    func(t *testing.T, r *Receivers)
	}{
		"compact": {overJaegerCompact, journal.Traces, "checkout", func(t *testing.T, r *Receivers) {
			emitBatch(t, r.at(nameJaegerCompact), thrift.NewTCompactProtocolFactoryConf(nil), jaegerBatch(1))
		}},
		"binary": {overJaegerBinary, journal.Traces, "checkout", func(t *testing.T, r *Receivers) {
			emitBatch(t, r.at(nameJaegerBinary), thrift.NewTBinaryProtocolFactoryConf(nil), jaegerBatch(1))
		}},
		"thrift": {overJaegerHTTP, journal.Traces, "checkout", func(t *testing.T, r *Receivers) {
			code, _, body := ask(t, http.MethodPost, r.at(nameJaegerHTTP), "/api/traces?format=jaeger.thrift", binaryBatch(t, jaegerBatch(1)),
				"Content-Type", "application/x-thrift")
			wantAnswer(t, code, 202, body)
		}},
		"thrift, gzip": {overJaegerHTTP, journal.Traces, "checkout", func(t *testing.T, r *Receivers) {
			code, _, body := ask(t, http.MethodPost, r.at(nameJaegerHTTP), "/api/traces", gzipOf(t, binaryBatch(t, jaegerBatch(1))),
				"Content-Type", "application/vnd.apache.thrift.binary; charset=utf-8", "Content-Encoding", "gzip")
			wantAnswer(t, code, 202, body)
		}},
		"grpc": {overJaegerGRPC, journal.Traces, "checkout", func(t *testing.T, r *Receivers) {
			if err := postSpans(t, r.at(nameJaegerGRPC), modelBatch()); err != nil {
				t.Error(err)
			}
		}},
		"zipkin": {overZipkin, journal.Traces, "checkout", func(t *testing.T, r *Receivers) {
			code, _, body := ask(t, http.MethodPost, r.at(nameZipkin), "/api/v2/spans", []byte(zipkinSpans), "Content-Type", "application/json")
			wantAnswer(t, code, 202, body)
		}},
		"zipkin, gzip, no media type": {overZipkin, journal.Traces, "checkout", func(t *testing.T, r *Receivers) {
			code, _, body := ask(t, http.MethodPost, r.at(nameZipkin), "/api/v2/spans", gzipOf(t, []byte(zipkinSpans)), "Content-Encoding", "gzip")
			wantAnswer(t, code, 202, body)
		}},
		"zipkin, protobuf": {overZipkin, journal.Traces, "checkout", func(t *testing.T, r *Receivers) {
			span := "\x0a\x10aaaaaaaabbbbbbbb\x1a\x08cccccccc\x2a\x08checkout"
			payload := append([]byte{0x0a, byte(len(span))}, span...)
			code, _, body := ask(t, http.MethodPost, r.at(nameZipkin), "/api/v2/spans", payload, "Content-Type", protobufType)
			wantAnswer(t, code, 202, body)
		}},
		"loki": {overLoki, journal.Logs, "team-a", func(t *testing.T, r *Receivers) {
			code, _, body := ask(t, http.MethodPost, r.at(nameLoki), "/loki/api/v1/push", lokiPush(t),
				"Content-Type", protobufType, "Content-Encoding", "snappy", "X-Scope-OrgID", "team-a")
			wantAnswer(t, code, 204, body)
		}},
		"loki, json, gzip": {overLoki, journal.Logs, "sold", func(t *testing.T, r *Receivers) {
			text := `{"streams":[{"stream":{"job":"shop"},"values":[["1790000000000000000","sold"]]}]}`
			code, _, body := ask(t, http.MethodPost, r.at(nameLoki), "/api/prom/push", gzipOf(t, []byte(text)),
				"Content-Type", "application/json; charset=UTF-8", "Content-Encoding", "gzip")
			wantAnswer(t, code, 204, body)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			j := memory.New(memory.Config{})
			r, reg := receivers(t, legacyConfig(), j)
			test.send(t, r)
			waitUntil(t, "it is counted", func() bool { return answers(t, reg, test.signal, test.via, outcomeAccepted) == 1 })
			got := records(t, j)
			if len(got) != 1 || got[0].Signal != test.signal || got[0].Items != 1 || !bytes.Contains(got[0].Payload, []byte(test.content)) {
				t.Errorf("the journal has %v, want one item of signal %v with %q", got, test.signal, test.content)
			}
		})
	}
}

func wantAnswer(t *testing.T, code, want int, body string) {
	t.Helper()
	if code != want || body != "" {
		t.Errorf("answer %d %q, want %d and no body", code, body, want)
	}
}

// answers is how many requests are counted.
func answers(t testing.TB, reg prometheus.Gatherer, signal journal.Signal, via transport, what outcome) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("outcome=%s,signal=%s,transport=%s", what, signal, via)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			if family.GetName() == "waybill_receive_requests_total" && strings.Join(labels, ",") == want {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func TestLegacyRefusals(t *testing.T) {
	r, reg := receivers(t, legacyConfig(), memory.New(memory.Config{}))
	thriftType, json := []string{"Content-Type", "application/x-thrift"}, []string{"Content-Type", "application/json"}
	tests := []struct {
		name, method, path string
		body               []byte
		headers            []string
		want               int
	}{
		{nameJaegerHTTP, "POST", "/api/traces", []byte("garbage"), thriftType, 400},
		{nameJaegerHTTP, "POST", "/api/traces", nil, thriftType, 400},
		{nameJaegerHTTP, "POST", "/api/traces", binaryBatch(t, jaegerBatch(1)), json, 400},
		{nameJaegerHTTP, "POST", "/api/traces", binaryBatch(t, jaegerBatch(1)), nil, 400},
		{nameJaegerHTTP, "POST", "/api/traces", binaryBatch(t, jaegerBatch(1)), append(thriftType, "Content-Encoding", "br"), 415},
		{nameJaegerHTTP, "POST", "/api/traces", []byte("no gzip"), append(thriftType, "Content-Encoding", "gzip"), 400},
		{nameJaegerHTTP, "GET", "/api/traces", nil, nil, 405},
		{nameJaegerHTTP, "POST", "/", nil, thriftType, 404},
		{nameJaegerHTTP, "GET", "/api/sampling", nil, nil, 400},
		{nameZipkin, "POST", "/api/v2/spans", []byte("{}"), json, 400},
		{nameZipkin, "POST", "/api/v2/spans", []byte("\x0a\x01"), []string{"Content-Type", protobufType}, 400},
		{nameZipkin, "POST", "/api/v1/spans", []byte("[]"), json, 404},
		{nameZipkin, "GET", "/api/v2/spans", nil, nil, 405},
		{nameLoki, "POST", "/loki/api/v1/push", []byte("garbage"), []string{"Content-Type", protobufType}, 400},
		{nameLoki, "POST", "/loki/api/v1/push", []byte("[]"), json, 400},
		{nameLoki, "POST", "/loki/api/v1/push", lokiPush(t), []string{"Content-Type", "text/plain"}, 415},
		{nameLoki, "POST", "/loki/api/v1/push", lokiPush(t), []string{"Content-Type", protobufType, "Content-Encoding", "gzip"}, 415},
		{nameLoki, "POST", "/ready", nil, nil, 404},
		{nameSampling, "GET", "/sampling", nil, nil, 400},
		{nameSampling, "GET", "/sampling?service=a&service=b", nil, nil, 400},
		{nameSampling, "POST", "/sampling?service=a", nil, nil, 405},
		{nameSampling, "GET", "/other", nil, nil, 404},
	}
	for _, test := range tests {
		code, header, body := ask(t, test.method, r.at(test.name), test.path, test.body, test.headers...)
		if code != test.want || body == "" || header.Get("Retry-After") != "" {
			t.Errorf("%s: %s %s %v is answered %d %q, want %d with a reason, for good", test.name, test.method, test.path, test.headers, code, body, test.want)
		}
	}
	if n := answers(t, reg, journal.Traces, overJaegerHTTP, outcomeMalformed); n != 3 {
		t.Errorf("%v requests are counted as malformed, want 3", n)
	}
}

// TestLegacySendersAreToldToRetry while the journal is full.
func TestLegacySendersAreToldToRetry(t *testing.T) {
	r, reg := receivers(t, legacyConfig(), fullJournal(t))
	for name, answer := range map[string]func() (int, http.Header, string){
		"thrift": func() (int, http.Header, string) {
			return ask(t, http.MethodPost, r.at(nameJaegerHTTP), "/api/traces", binaryBatch(t, jaegerBatch(3)), "Content-Type", "application/x-thrift")
		},
		"zipkin": func() (int, http.Header, string) {
			return ask(t, http.MethodPost, r.at(nameZipkin), "/api/v2/spans", []byte(zipkinSpans+strings.Repeat(" ", 10)))
		},
		"loki": func() (int, http.Header, string) {
			return ask(t, http.MethodPost, r.at(nameLoki), "/loki/api/v1/push", lokiPush(t))
		},
	} {
		if code, header, body := answer(); code != http.StatusServiceUnavailable || header.Get("Retry-After") != "5" {
			t.Errorf("%s: answer %d %v %q, want 503 with Retry-After", name, code, header, body)
		}
	}
	err := postSpans(t, r.at(nameJaegerGRPC), modelBatch())
	if got := status.Convert(err); got.Code() != codes.Unavailable || retryDelay(got) <= 0 {
		t.Errorf("grpc: %v, want Unavailable with RetryInfo", err)
	}
	emitBatch(t, r.at(nameJaegerCompact), thrift.NewTCompactProtocolFactoryConf(nil), jaegerBatch(1))
	waitUntil(t, "the datagram is counted as dropped", func() bool {
		return answers(t, reg, journal.Traces, overJaegerCompact, outcomeFull) == 1
	})
}

// TestDatagramsThatAreWrong are counted, and those that come after are taken.
func TestDatagramsThatAreWrong(t *testing.T) {
	j := memory.New(memory.Config{})
	r, reg := receivers(t, legacyConfig(), j)
	at := r.at(nameJaegerCompact)
	for _, packet := range []string{"", "\x82", "garbage", strings.Repeat("\x82\x81", 30_000)} {
		sendDatagram(t, at, []byte(packet))
	}
	emitBatch(t, at, thrift.NewTBinaryProtocolFactoryConf(nil), jaegerBatch(1)) // to the wrong port
	nameless := jaegerBatch(2)
	nameless.Spans[0].SpanId = 0
	emitBatch(t, at, thrift.NewTCompactProtocolFactoryConf(nil), nameless)
	waitUntil(t, "all is counted", func() bool {
		return answers(t, reg, journal.Traces, overJaegerCompact, outcomeMalformed) == 5 &&
			answers(t, reg, journal.Traces, overJaegerCompact, outcomePartial) == 1
	})
	if got := records(t, j); len(got) != 1 || got[0].Items != 1 {
		t.Errorf("the journal has %v, want one span", got)
	}
}

// TestLargeDatagram is as large as Jaeger's clients make them.
func TestLargeDatagram(t *testing.T) {
	j := memory.New(memory.Config{})
	r, _ := receivers(t, legacyConfig(), j)
	batch := jaegerBatch(1)
	batch.Spans[0].OperationName = strings.Repeat("x", 64_000)
	emitBatch(t, r.at(nameJaegerCompact), thrift.NewTCompactProtocolFactoryConf(nil), batch)
	waitUntil(t, "the span is there", func() bool { return len(records(t, j)) == 1 })
}

func TestWhatIsNoCallIsRefusedByMediaType(t *testing.T) {
	r, _ := receivers(t, legacyConfig(), &fixedJournal{})
	for _, path := range []string{"/jaeger.api_v2.SamplingManager/GetSamplingStrategy", "/jaeger.api_v2.CollectorService/PostSpans"} {
		got, _ := callAt(t, r.at(nameJaegerGRPC), path, strings.NewReader("{}"), "Content-Type", "application/json")
		if got != http.StatusUnsupportedMediaType {
			t.Errorf("%s: answer %d, want 415", path, got)
		}
	}
}

// TestPanicsInTranslatorsAreRefusals, logged once.
func TestPanicsInTranslatorsAreRefusals(t *testing.T) {
	var log bytes.Buffer
	in := testIntake(t, testConfig(), &fixedJournal{})
	in.logger = slog.New(slog.NewTextHandler(&log, nil))
	h := &pushHandler{intake: in, via: overZipkin, signal: journal.Traces, paths: []string{"/"}, accepted: 202, format: func(*http.Request) (format, error) {
		return format{translate: func(_ []byte, admit func(int64) error) ([]byte, error) {
			var none []byte
			_ = admit(1 << 20)
			return none[:1], nil
		}}, nil
	}}
	for range 2 {
		resp := httptest.NewRecorder()
		h.ServeHTTP(resp, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("x")))
		if resp.Code != http.StatusBadRequest {
			t.Errorf("answer %d, want 400", resp.Code)
		}
	}
	if n := strings.Count(log.String(), "BUG"); n != 1 {
		t.Errorf("%d lines in the log, want 1: %s", n, &log)
	}
	if used := in.budget.used.Load(); used != 0 {
		t.Errorf("%d bytes are still charged", used)
	}
}

// TestTranslationIsAdmitted: what does not fit beside others is to come again,
// what does not fit at all is too large.
func TestTranslationIsAdmitted(t *testing.T) {
	cfg := testConfig()
	cfg.MaxRequestBytes, cfg.MaxInflightBytes = 1<<20, 2<<20
	in := testIntake(t, cfg, &fixedJournal{})
	send := func(batch *thriftjaeger.Batch) *httptest.ResponseRecorder {
		resp := httptest.NewRecorder()
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/traces", bytes.NewReader(binaryBatch(t, batch)))
		req.Header.Set("Content-Type", "application/x-thrift")
		newJaegerHTTP(in, SamplingConfig{}.strategies()).ServeHTTP(resp, req)
		return resp
	}
	if resp := send(jaegerBatch(1000)); resp.Code != http.StatusAccepted {
		t.Errorf("1000 spans are answered %d %s, want 202", resp.Code, resp.Body)
	}
	if resp := send(jaegerBatch(3000)); resp.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("3000 spans are answered %d %s, want 413", resp.Code, resp.Body)
	}
	others := lease{budget: in.budget}
	if err := others.take(1 << 20); err != nil {
		t.Fatal(err)
	}
	if resp := send(jaegerBatch(1000)); resp.Code != http.StatusServiceUnavailable || resp.Header().Get("Retry-After") != "1" {
		t.Errorf("1000 spans beside others are answered %d %v, want 503", resp.Code, resp.Header())
	}
	others.release()
	if used := in.budget.used.Load(); used != 0 {
		t.Errorf("%d bytes are still charged", used)
	}
}

// TestShutdownWaitsForDatagrams that have been read, and not for ever.
func TestShutdownWaitsForDatagrams(t *testing.T) {
	for _, patient := range []bool{true, false} {
		j := &gatedJournal{Journal: memory.New(memory.Config{}), entered: make(chan struct{}), open: make(chan struct{})}
		r, err := Start(t.Context(), legacyConfig(), &obedient{j}, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		emitBatch(t, r.at(nameJaegerCompact), thrift.NewTCompactProtocolFactoryConf(nil), jaegerBatch(1))
		<-j.entered
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if !patient {
			cancel()
		}
		stopped := make(chan error, 1)
		go func() { stopped <- r.Shutdown(ctx) }()
		if patient {
			close(j.open)
		}
		if err := <-stopped; patient == (err != nil) {
			t.Errorf("patient %v: shutdown returned %v", patient, err)
		}
		if !patient {
			close(j.open)
		}
		waitUntil(t, "the journal is left alone", func() bool { return !patient || len(records(t, j.Journal)) == 1 })
		cancel()
	}
}

// obedient returns from Append when its context ends, as the file journal does.
type obedient struct{ *gatedJournal }

func (o *obedient) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	select {
	case o.entered <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case <-o.open:
		return o.Journal.Append(ctx, signal, items, payload)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func TestLegacyListenersAreOptional(t *testing.T) {
	r, _ := receivers(t, testConfig(), memory.New(memory.Config{}))
	for _, l := range r.Listeners() {
		if off := !strings.HasPrefix(l.Name, "OTLP"); (l.Addr == nil) != off {
			t.Errorf("%s is at %v", l.Name, l.Addr)
		}
	}
	r, _ = receivers(t, legacyConfig(), memory.New(memory.Config{}))
	for _, l := range r.Listeners() {
		if l.Addr == nil {
			t.Errorf("%s is off", l.Name)
		}
	}
	cfg := legacyConfig()
	cfg.Jaeger.ThriftBinary.Address = r.at(nameJaegerBinary).String()
	if _, err := Start(t.Context(), cfg, memory.New(memory.Config{}), prometheus.NewRegistry(), slog.New(slog.DiscardHandler)); err == nil ||
		!strings.Contains(err.Error(), "receive.jaeger.thrift_binary.address: ") {
		t.Errorf("error %v does not say which listener it is", err)
	}
}

func TestLegacyConfigNamesWhatIsWrong(t *testing.T) {
	cfg := legacyConfig()
	cfg.Jaeger.ThriftCompact.Address, cfg.Jaeger.Sampling.Address, cfg.Zipkin.Address, cfg.Loki.Address = "a", "b", "c", ""
	cfg.Jaeger.Sampling.Probability = 1.5
	err := cfg.Validate()
	for _, want := range []string{
		"jaeger.thrift_compact.address: ", "jaeger.sampling.address: ", "zipkin.address: ", "loki.address: ", "jaeger.sampling.probability: 1.5 ",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

// FuzzDatagram: no datagram ends the receiver or leaves memory charged, and
// what is in the journal can be decoded.
func FuzzDatagram(f *testing.F) {
	sent := thrift.NewTMemoryBuffer()
	client := agent.NewAgentClientFactory(sent, thrift.NewTCompactProtocolFactoryConf(nil))
	if err := client.EmitBatch(f.Context(), jaegerBatch(2)); err != nil {
		f.Fatal(err)
	}
	f.Add(sent.Bytes())
	cfg := testConfig()
	cfg.MaxRequestBytes, cfg.MaxInflightBytes = 1<<20, 16<<20
	w := &witness{}
	in := testIntake(f, cfg, w)
	f.Fuzz(func(t *testing.T, packet []byte) {
		w.payload, w.items = nil, 0
		d := &datagrams{intake: in, via: overJaegerCompact, translate: jaeger.FromCompactMessage, ctx: t.Context()}
		d.take(packet)
		if used := in.budget.used.Load(); used != 0 {
			t.Fatalf("%d bytes are still charged", used)
		}
		if in.panicked.Load() {
			t.Fatal("a translator panicked")
		}
		if w.items > 0 {
			if err := proto.Unmarshal(w.payload, &coltrace.ExportTraceServiceRequest{}); err != nil {
				t.Fatalf("what was appended cannot be decoded: %v", err)
			}
		}
	})
}
