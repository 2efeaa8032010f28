package receive

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// post sends one request over a connection of its own.
func post(t testing.TB, r *Receivers, path, contentType string, body []byte) (int, http.Header, []byte) {
	t.Helper()
	return send(t, r, http.MethodPost, path, contentType, bytes.NewReader(body))
}

func send(t testing.TB, r *Receivers, method, path, contentType string, body io.Reader, headers ...string) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.HTTPAddr().String()+path, body)
	if err != nil {
		t.Error(err)
		return 0, nil, nil
	}
	req.Close = true
	req.Header.Set("Content-Type", contentType)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, nil, nil
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, resp.Header, answer
}

func gzipOf(t testing.TB, raw []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstdOf(t testing.TB, raw []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(raw, nil)
}

func TestHTTPTakesEveryEncoding(t *testing.T) {
	message := traceRequest(20)
	raw := encode(t, message)
	text := spansAsJSON(t, message, strings.ToLower)
	tests := []struct {
		name, contentType string
		body              []byte
		headers           []string
	}{
		{"protobuf", protobufType, raw, nil},
		{"protobuf, identity", protobufType, raw, []string{"Content-Encoding", "identity"}},
		{"protobuf, gzip", protobufType, gzipOf(t, raw), []string{"Content-Encoding", "gzip"}},
		{"protobuf, two members of gzip", protobufType, append(gzipOf(t, raw[:100]), gzipOf(t, raw[100:])...), []string{"Content-Encoding", "gzip"}},
		{"protobuf, zstd", protobufType, zstdOf(t, raw), []string{"Content-Encoding", "zstd"}},
		{"JSON", jsonType, text, nil},
		{"JSON, a charset", jsonType + "; charset=utf-8", text, nil},
		{"JSON, ids in upper case", jsonType, spansAsJSON(t, message, strings.ToUpper), nil},
		{"JSON, gzip", jsonType, gzipOf(t, text), []string{"Content-Encoding", "GZIP"}},
		{"JSON, zstd", jsonType, zstdOf(t, text), []string{"Content-Encoding", "zstd"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for name, body := range map[string]io.Reader{"length known": bytes.NewReader(test.body), "chunked": io.MultiReader(bytes.NewReader(test.body))} {
				j := memory.New(memory.Config{})
				r, _ := receivers(t, testConfig(), j)
				status, header, answer := send(t, r, http.MethodPost, "/v1/traces", test.contentType, body, test.headers...)
				mediaType, _, _ := strings.Cut(test.contentType, ";")
				if status != 200 || header.Get("Content-Type") != mediaType {
					t.Fatalf("%s: answer %d %v %q", name, status, header, answer)
				}
				if want := map[string]string{protobufType: "", jsonType: "{}"}[mediaType]; string(answer) != want {
					t.Errorf("%s: answer %q, want %q", name, answer, want)
				}
				got := records(t, j)
				if len(got) != 1 || got[0].Items != 20 {
					t.Fatalf("%s: journal has %v, want one record of 20 spans", name, got)
				}
				var stored coltrace.ExportTraceServiceRequest
				if err := proto.Unmarshal(got[0].Payload, &stored); err != nil {
					t.Fatal(err)
				}
				if !proto.Equal(&stored, message) {
					t.Errorf("%s: stored\n%v\nwant\n%v", name, &stored, message)
				}
			}
		})
	}
}

func TestHTTPTakesEverySignal(t *testing.T) {
	tests := []struct {
		path    string
		message proto.Message
		signal  journal.Signal
		items   uint32
	}{
		{"/v1/traces", traceRequest(3), journal.Traces, 3},
		{"/v1/metrics", metricRequest(), journal.Metrics, 2},
		{"/v1/logs", logRequest(), journal.Logs, 1},
	}
	for _, test := range tests {
		j := memory.New(memory.Config{})
		r, _ := receivers(t, testConfig(), j)
		status, _, answer := post(t, r, test.path, protobufType, encode(t, test.message))
		got := records(t, j)
		if status != 200 || len(got) != 1 || got[0].Signal != test.signal || got[0].Items != test.items {
			t.Errorf("%s: answer %d %q, journal has %v", test.path, status, answer, got)
		}
	}
}

func TestHTTPRefusals(t *testing.T) {
	raw := encode(t, traceRequest(10))
	small := testConfig()
	small.MaxRequestBytes = minRequestBytes
	tests := []struct {
		name, method, path, contentType string
		body                            []byte
		headers                         []string
		status                          int
		code                            codes.Code
		header, value                   string // that the answer has
	}{
		{"unknown path", "POST", "/v1/profiles", protobufType, raw, nil, 404, codes.Unimplemented, "", ""},
		{"path with a slash too many", "POST", "/v1/traces/", jsonType, raw, nil, 404, codes.Unimplemented, "", ""},
		{"GET", "GET", "/v1/traces", protobufType, nil, nil, 405, codes.Unimplemented, "Allow", "POST"},
		{"PUT", "PUT", "/v1/logs", jsonType, raw, nil, 405, codes.Unimplemented, "Allow", "POST"},
		{"no media type", "POST", "/v1/traces", "", raw, nil, 415, codes.Unimplemented, "Accept", "application/x-protobuf, application/json"},
		{"another media type", "POST", "/v1/traces", "text/plain", raw, nil, 415, codes.Unimplemented, "Accept", "application/x-protobuf, application/json"},
		{"another compression", "POST", "/v1/traces", protobufType, raw, []string{"Content-Encoding", "br"}, 415, codes.Unimplemented, "Accept-Encoding", "gzip, zstd"},
		{"two compressions", "POST", "/v1/traces", protobufType, raw, []string{"Content-Encoding", "gzip, gzip"}, 415, codes.Unimplemented, "", ""},
		{"garbage for protobuf", "POST", "/v1/traces", protobufType, []byte("hello there"), nil, 400, codes.InvalidArgument, "", ""},
		{"half a request", "POST", "/v1/traces", protobufType, raw[:len(raw)/2], nil, 400, codes.InvalidArgument, "", ""},
		{"garbage for JSON", "POST", "/v1/traces", jsonType, []byte("hello there"), nil, 400, codes.InvalidArgument, "", ""},
		{"nothing for JSON", "POST", "/v1/traces", jsonType, nil, nil, 400, codes.InvalidArgument, "", ""},
		{"JSON that is no object", "POST", "/v1/logs", jsonType, []byte(`[]`), nil, 400, codes.InvalidArgument, "", ""},
		{"two JSON texts", "POST", "/v1/logs", jsonType, []byte(`{}{}`), nil, 400, codes.InvalidArgument, "", ""},
		{"a wrong type in JSON", "POST", "/v1/traces", jsonType, []byte(`{"resourceSpans":7}`), nil, 400, codes.InvalidArgument, "", ""},
		{"an id that is not hex", "POST", "/v1/traces", jsonType, []byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}`), nil, 400, codes.InvalidArgument, "", ""},
		{"garbage for gzip", "POST", "/v1/traces", protobufType, raw, []string{"Content-Encoding", "gzip"}, 400, codes.InvalidArgument, "", ""},
		{"half of a gzip", "POST", "/v1/traces", protobufType, gzipOf(t, raw)[:100], []string{"Content-Encoding", "gzip"}, 400, codes.InvalidArgument, "", ""},
		{"garbage for zstd", "POST", "/v1/traces", jsonType, raw, []string{"Content-Encoding", "zstd"}, 400, codes.InvalidArgument, "", ""},
		{"half of a zstd", "POST", "/v1/traces", protobufType, zstdOf(t, raw)[:100], []string{"Content-Encoding", "zstd"}, 400, codes.InvalidArgument, "", ""},
		{"too large", "POST", "/v1/traces", protobufType, raw, nil, 413, codes.ResourceExhausted, "", ""},
		{"too large after gzip", "POST", "/v1/traces", protobufType, gzipOf(t, raw), []string{"Content-Encoding", "gzip"}, 413, codes.ResourceExhausted, "", ""},
		{"too large after zstd", "POST", "/v1/traces", jsonType, zstdOf(t, raw), []string{"Content-Encoding", "zstd"}, 413, codes.ResourceExhausted, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := testConfig()
			if test.status == 413 {
				cfg = small
			}
			j := memory.New(memory.Config{})
			r, _ := receivers(t, cfg, j)
			status, header, answer := send(t, r, test.method, test.path, test.contentType, bytes.NewReader(test.body), test.headers...)
			if status != test.status || header.Get(test.header) != test.value {
				t.Errorf("answer %d %v, want %d and %s %q", status, header, test.status, test.header, test.value)
			}
			if header.Get("Retry-After") != "" {
				t.Error("a final refusal has Retry-After")
			}
			checkStatus(t, header, answer, test.contentType, test.code, false)
			if got := records(t, j); len(got) != 0 {
				t.Errorf("the journal has %v", got)
			}
		})
	}
}

// checkStatus wants a google.rpc.Status in the request's encoding.
func checkStatus(t *testing.T, header http.Header, answer []byte, contentType string, code codes.Code, retryable bool) {
	t.Helper()
	var got spb.Status
	unmarshal, want := protojson.Unmarshal, jsonType
	if contentType == protobufType {
		unmarshal, want = proto.Unmarshal, protobufType
	}
	if header.Get("Content-Type") != want {
		t.Errorf("Content-Type %q, want %q", header.Get("Content-Type"), want)
	}
	if err := unmarshal(answer, &got); err != nil {
		t.Fatalf("answer %q is no status: %v", answer, err)
	}
	if got.Code != int32(code) || got.Message == "" {
		t.Errorf("status %v, want %v and a message", &got, code)
	}
	if retryable != (len(got.Details) == 1) {
		t.Fatalf("status details %v, want RetryInfo: %v", got.Details, retryable)
	}
	if retryable {
		var info errdetails.RetryInfo
		if err := got.Details[0].UnmarshalTo(&info); err != nil || info.RetryDelay.AsDuration() <= 0 {
			t.Errorf("retry info %v, %v; want a delay", &info, err)
		}
	}
}

func TestHTTPTellsWhatTheJournalSays(t *testing.T) {
	closed := memory.New(memory.Config{})
	_ = closed.Close()
	tests := []struct {
		name      string
		journal   journal.Journal
		status    int
		code      codes.Code
		retryable bool
	}{
		{"full", fullJournal(t), 503, codes.Unavailable, true},
		{"closed", closed, 503, codes.Unavailable, true},
		{"failing disk", &fixedJournal{err: errDisk}, 503, codes.Unavailable, true},
		{"too large for it", memory.New(memory.Config{MaxBytes: 300}), 413, codes.ResourceExhausted, false},
	}
	for _, test := range tests {
		for _, contentType := range []string{protobufType, jsonType} {
			t.Run(test.name+", "+contentType, func(t *testing.T) {
				r, _ := receivers(t, testConfig(), test.journal)
				body := encode(t, traceRequest(10))
				if contentType == jsonType {
					body = spansAsJSON(t, traceRequest(10), strings.ToLower)
				}
				status, header, answer := post(t, r, "/v1/traces", contentType, body)
				if status != test.status || (header.Get("Retry-After") != "") != test.retryable {
					t.Errorf("answer %d %v, want %d, retryable: %v", status, header, test.status, test.retryable)
				}
				checkStatus(t, header, answer, contentType, test.code, test.retryable)
				if strings.Contains(string(answer), "sector") {
					t.Errorf("answer %q tells a stranger of our disk", answer)
				}
			})
		}
	}
}

func TestEmptyRequestsSucceed(t *testing.T) {
	j := &fixedJournal{err: errDisk}
	r, _ := receivers(t, testConfig(), j)
	for _, path := range []string{"/v1/traces", "/v1/metrics", "/v1/logs"} {
		if status, _, answer := post(t, r, path, protobufType, nil); status != 200 || len(answer) > 0 {
			t.Errorf("%s: answer %d %q to nothing in protobuf, want 200 and nothing", path, status, answer)
		}
		if status, _, answer := post(t, r, path, jsonType, []byte(" {} ")); status != 200 || string(answer) != "{}" {
			t.Errorf("%s: answer %d %q to {}, want 200 {}", path, status, answer)
		}
	}
	if j.appended != 0 {
		t.Errorf("%d records of nothing were appended", j.appended)
	}
}

func TestSpansWithoutIDsAreRejectedAlone(t *testing.T) {
	message := traceRequest(5)
	spans := message.ResourceSpans[0].ScopeSpans[0].Spans
	spans[1].TraceId = make([]byte, 16)
	spans[3].SpanId = spans[3].SpanId[:7]
	const why = "2 spans have no valid trace id and span id"
	for _, contentType := range []string{protobufType, jsonType} {
		t.Run(contentType, func(t *testing.T) {
			j := memory.New(memory.Config{})
			r, _ := receivers(t, testConfig(), j)
			body, unmarshal := encode(t, message), proto.Unmarshal
			if contentType == jsonType {
				body, unmarshal = spansAsJSON(t, message, strings.ToLower), protojson.Unmarshal
			}
			status, _, answer := post(t, r, "/v1/traces", contentType, body)
			var got coltrace.ExportTraceServiceResponse
			if err := unmarshal(answer, &got); err != nil {
				t.Fatal(err)
			}
			if partial := got.GetPartialSuccess(); status != 200 || partial.GetRejectedSpans() != 2 || partial.GetErrorMessage() != why {
				t.Errorf("answer %d %v", status, &got)
			}
			if stored := records(t, j); len(stored) != 1 || stored[0].Items != 3 {
				t.Errorf("journal has %v, want a record of 3 spans", stored)
			}
		})
	}
}

func TestARequestOfRejectedSpansOnlyIsNotAppended(t *testing.T) {
	message := traceRequest(2)
	for _, span := range message.ResourceSpans[0].ScopeSpans[0].Spans {
		span.TraceId = nil
	}
	j := &fixedJournal{err: errDisk}
	r, _ := receivers(t, testConfig(), j)
	status, _, answer := post(t, r, "/v1/traces", protobufType, encode(t, message))
	var got coltrace.ExportTraceServiceResponse
	if err := proto.Unmarshal(answer, &got); err != nil || status != 200 || got.GetPartialSuccess().GetRejectedSpans() != 2 {
		t.Errorf("answer %d %v, %v", status, &got, err)
	}
	if j.appended != 0 {
		t.Error("a request without spans was appended")
	}
}

// TestJSONAsTheSpecificationSays takes what senders other than Go's write.
func TestJSONAsTheSpecificationSays(t *testing.T) {
	const text = `{"resourceSpans":[{"resource":{"attributes":[{"key":"traceId","value":{"stringValue":"not hex"}}]},
		"scopeSpans":[{"spans":[{"traceId":"5B8EFFF798038103d269b633813fc60c","spanId":"EEE19B7EC3C1B174","parentSpanId":"",
		"name":"n","kind":2,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,
		"status":{"code":2},"links":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"}],
		"attributes":[{"key":"i","value":{"intValue":"-3"}},{"key":"j","value":{"intValue":4}}],
		"newField":{"traceId":"not hex either","deep":[[{}]]}}]}]}],"another":null}`
	j := memory.New(memory.Config{})
	r, _ := receivers(t, testConfig(), j)
	status, _, answer := post(t, r, "/v1/traces", jsonType, []byte(text))
	if status != 200 {
		t.Fatalf("answer %d %s", status, answer)
	}
	var got coltrace.ExportTraceServiceRequest
	if err := proto.Unmarshal(records(t, j)[0].Payload, &got); err != nil {
		t.Fatal(err)
	}
	span := got.ResourceSpans[0].ScopeSpans[0].Spans[0]
	ids := fmt.Sprintf("%x %x %x %x %x", span.TraceId, span.SpanId, span.ParentSpanId, span.Links[0].TraceId, span.Links[0].SpanId)
	if want := "5b8efff798038103d269b633813fc60c eee19b7ec3c1b174  5b8efff798038103d269b633813fc60c eee19b7ec3c1b174"; ids != want {
		t.Errorf("ids %s, want %s", ids, want)
	}
	if span.Kind != 2 || span.Status.Code != 2 || span.StartTimeUnixNano != 1544712660000000000 || span.EndTimeUnixNano != 1544712661000000000 {
		t.Errorf("span %v", span)
	}
	if span.Attributes[0].Value.GetIntValue() != -3 || span.Attributes[1].Value.GetIntValue() != 4 {
		t.Errorf("attributes %v", span.Attributes)
	}
}
