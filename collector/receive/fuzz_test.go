package receive

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/receive/unary"
)

// FuzzRewriteIDs: whatever comes, the rewriter ends, and valid JSON stays valid
// and says the same but for ids.
func FuzzRewriteIDs(f *testing.F) {
	for _, message := range []proto.Message{traceRequest(2), metricRequest(), logRequest()} {
		f.Add(spansAsJSON(f, message, strings.ToUpper))
	}
	f.Add([]byte(`{"resource_spans":[{"scopeSpans":[{"spans":[{"trace\u0049d":"\u0030a","links":[{"span_id":"00"}]}]}]}]}`))
	f.Add([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"zz"},[[]],null,-1e9,true]}]}]}`))
	f.Add([]byte(`{"resourceMetrics":[`))
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		for _, schema := range []*idSchema{spanIDs(), metricIDs(), logIDs()} {
			got, err := rewriteIDs(text, schema)
			if !bytes.Equal(text, before) {
				t.Fatal("the text was changed in place")
			}
			if !json.Valid(text) {
				continue
			}
			if err != nil {
				if !strings.Contains(err.Error(), "not hex") {
					t.Fatalf("valid JSON %q: %v", text, err)
				}
				continue
			}
			if !json.Valid(got) {
				t.Fatalf("%q became %q, which is no JSON", text, got)
			}
			if want, got := withoutStrings(t, text), withoutStrings(t, got); want != got {
				t.Fatalf("the shape of %q changed:\n%s\n%s", text, want, got)
			}
		}
	})
}

// withoutStrings is a text without its white space and its strings' content.
func withoutStrings(t *testing.T, text []byte) string {
	t.Helper()
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	inside, escaped := false, false
	for _, c := range compact.Bytes() {
		switch {
		case escaped:
			escaped = false
		case inside && c == '\\':
			escaped = true
		case c == '"':
			inside = !inside
			out.WriteByte(c)
		case !inside:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// witness is a journal that remembers the last payload.
type witness struct {
	journal.Journal

	payload []byte
	items   uint32
	signal  journal.Signal
}

func (w *witness) Append(_ context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	w.payload, w.items, w.signal = bytes.Clone(payload), items, signal
	return 0, nil
}

// FuzzHTTP: no request makes the handler panic or leaves memory charged, what
// is acknowledged is in the journal, and what is in the journal can be decoded.
func FuzzHTTP(f *testing.F) {
	encodings := []string{"", "gzip", "zstd", "br"}
	paths := []string{"/v1/traces", "/v1/metrics", "/v1/logs", "/"}
	mediaTypes := []string{protobufType, jsonType, "text/plain"}
	for i, message := range []proto.Message{traceRequest(2), metricRequest(), logRequest()} {
		raw, text := encode(f, message), spansAsJSON(f, message, strings.ToLower)
		f.Add(uint8(i), uint8(0), uint8(0), raw)
		f.Add(uint8(i), uint8(0), uint8(1), gzipOf(f, raw))
		f.Add(uint8(i), uint8(1), uint8(2), zstdOf(f, text))
		f.Add(uint8(i), uint8(1), uint8(0), text)
	}
	nameless := traceRequest(2)
	nameless.ResourceSpans[0].ScopeSpans[0].Spans[1].SpanId = nil
	f.Add(uint8(0), uint8(0), uint8(0), encode(f, nameless))

	cfg := testConfig()
	cfg.MaxRequestBytes, cfg.MaxInflightBytes = 64<<10, 1<<20
	w := &witness{}
	h := &httpHandler{testIntake(f, cfg, w)}
	f.Fuzz(func(t *testing.T, path, mediaType, encoding uint8, body []byte) {
		w.payload, w.items, w.signal = nil, 0, 0
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, paths[int(path)%len(paths)], bytes.NewReader(body))
		req.Header.Set("Content-Type", mediaTypes[int(mediaType)%len(mediaTypes)])
		req.Header.Set("Content-Encoding", encodings[int(encoding)%len(encodings)])
		resp := httptest.NewRecorder()
		h.ServeHTTP(resp, req)
		if used := h.intake.budget.used.Load(); used != 0 {
			t.Fatalf("%d bytes are still charged", used)
		}
		if resp.Code != http.StatusOK {
			if w.items != 0 {
				t.Fatalf("answer %d to a request that was appended", resp.Code)
			}
			return
		}
		if w.items == 0 {
			wantNothing(t, req, body, resp)
			return
		}
		message, _ := jsonSchema(w.signal)
		if err := proto.Unmarshal(w.payload, message); err != nil {
			t.Fatalf("what was appended cannot be decoded: %v", err)
		}
	})
}

// wantNothing checks that a request which was acknowledged and not appended has
// no items, or only those that the answer rejects.
func wantNothing(t *testing.T, req *http.Request, body []byte, resp *httptest.ResponseRecorder) {
	t.Helper()
	if resp.Body.Len() > len("{}") || req.Header.Get("Content-Encoding") != "" {
		return
	}
	signal := signalOfPath(req.URL.Path)
	message, ids := jsonSchema(signal)
	if req.Header.Get("Content-Type") == jsonType {
		text, err := rewriteIDs(body, ids)
		if err != nil {
			t.Fatal(err)
		}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, message); err != nil {
			t.Fatal(err)
		}
		body = encode(t, message)
	}
	if items, _, err := count(signal, body); err != nil || items != 0 {
		t.Fatalf("%d items were acknowledged and not appended, %v", items, err)
	}
}

// FuzzGRPC: the same of the other transport, whose framing is fuzzed where it is
// read.
func FuzzGRPC(f *testing.F) {
	encodings := []string{"identity", "gzip", "zstd", "snappy"}
	raw := encode(f, traceRequest(2))
	f.Add(uint8(0), false, uint32(len(raw)), uint16(100), raw)
	f.Add(uint8(1), true, uint32(len(gzipOf(f, raw))), uint16(9999), gzipOf(f, raw))
	f.Add(uint8(2), true, uint32(len(zstdOf(f, raw))), uint16(1), zstdOf(f, raw))
	f.Add(uint8(0), true, uint32(len(raw)), uint16(1), raw)
	f.Add(uint8(0), false, uint32(1<<32-1), uint16(1), raw)

	cfg := testConfig()
	cfg.MaxRequestBytes, cfg.MaxInflightBytes = 64<<10, 1<<20
	w := &witness{}
	h := newOTLPGRPC(testIntake(f, cfg, w))
	f.Fuzz(func(t *testing.T, encoding uint8, compressed bool, length uint32, piece uint16, message []byte) {
		w.payload, w.items, w.signal = nil, 0, 0
		head := &unary.Header{Major: 2, Method: http.MethodPost, Path: traceMethod}
		head.Add("content-type", "application/grpc")
		head.Add("grpc-encoding", encodings[int(encoding)%len(encodings)])
		refused := deliver(t, h, head, compressed, int64(length), slices.Collect(slices.Chunk(message, 1+int(piece))))
		if used := h.intake.budget.used.Load(); used != 0 {
			t.Fatalf("%d bytes are still charged", used)
		}
		if w.items > 0 && refused != nil {
			t.Fatalf("status %v to a request that was appended", refused)
		}
		if w.items > 0 {
			if err := proto.Unmarshal(w.payload, &coltrace.ExportTraceServiceRequest{}); err != nil {
				t.Fatalf("what was appended cannot be decoded: %v", err)
			}
		}
	})
}

// deliver makes one call as a connection would.
func deliver(t *testing.T, h unary.Handler, head *unary.Header, compressed bool, length int64, pieces [][]byte) *unary.Status {
	t.Helper()
	call, refused := h.Open(head)
	if refused != nil {
		return refused
	}
	if refused := call.Begin(length, compressed); refused != nil {
		return refused
	}
	for _, p := range pieces {
		p = p[:min(int64(len(p)), length)]
		if length -= int64(len(p)); len(p) == 0 {
			break
		}
		if refused := call.Write(p); refused != nil {
			return refused
		}
	}
	if length > 0 {
		return call.Abort(unary.ErrShort)
	}
	_, refused = call.Answer(t.Context())
	return refused
}
