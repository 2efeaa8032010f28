package recording_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/waybill-dev/waybill/collector"
	"github.com/waybill-dev/waybill/tracegen"
	"github.com/waybill-dev/waybill/tracegen/recording"
	"github.com/waybill-dev/waybill/viewer"
)

// requests are what tracegen sends of the shop.
func requests(t *testing.T) [][]byte {
	t.Helper()
	var sent [][]byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		sent = append(sent, body)
	}))
	defer server.Close()
	cfg := tracegen.DefaultConfig()
	cfg.Endpoint, cfg.Rate, cfg.Duration, cfg.Traces, cfg.Workers, cfg.Batch = server.URL, 0, 0, 30, 1, 10
	cfg.Epoch = time.Now()
	if report, err := tracegen.Run(t.Context(), cfg, nil); err != nil || !report.Complete() {
		t.Fatalf("report = %+v, %v", report, err)
	}
	return sent
}

// written says all that a test compares of a recording: a line for each span.
func written(r *recording.Recording) string {
	var lines []string
	for _, t := range r.Traces() {
		for _, s := range t.Spans {
			var keys []string
			for _, a := range s.GetAttributes() {
				keys = append(keys, fmt.Sprintf("%s=%v", a.GetKey(), a.GetValue()))
			}
			slices.Sort(keys)
			var events []string
			for _, e := range s.GetEvents() {
				events = append(events, e.GetName())
			}
			lines = append(lines, fmt.Sprintf("%x %016x below %016x %s %s %d %d %dus %v %v %d links", t.ID, s.ID(), s.Parent(), s.Service(), s.GetName(),
				s.GetKind(), s.GetStatus().GetCode(), s.GetStartTimeUnixNano()/1000, keys, events, len(s.GetLinks())))
		}
	}
	slices.SortFunc(lines, cmp.Compare[string])
	return strings.ReplaceAll(strings.Join(lines, "\n"), "\u00a0", " ") // protobuf's texts vary
}

func recordingOf(t *testing.T, requests [][]byte) *recording.Recording {
	t.Helper()
	r := recording.New(0)
	for _, request := range requests {
		if err := r.Add(request); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func gzipped(data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(data)
	_ = w.Close()
	return out.Bytes()
}

// Whatever file the traces are in, they are read as they were sent.
func TestFiles(t *testing.T) {
	sent := requests(t)
	want := written(recordingOf(t, sent))
	var lines, framed []byte
	for _, request := range sent {
		traces, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(request)
		if err != nil {
			t.Fatal(err)
		}
		line, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(append(lines, line...), '\n')
		framed = append(binary.BigEndian.AppendUint32(framed, uint32(len(request))), request...)
	}
	encoded, err := recordingOf(t, sent).Encode()
	if err != nil {
		t.Fatal(err)
	}
	zip, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"requests laid end to end": bytes.Join(sent, nil), "requests with lengths": framed, "lines of JSON": lines,
		"gzip": gzipped(lines), "zstd": zip.EncodeAll(bytes.Join(sent, nil), nil), "what Encode wrote": encoded, "twice": bytes.Join(append(sent, sent...), nil),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			r := recording.New(0)
			if err := r.AddFile(file); err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(want, written(r)); diff != "" {
				t.Errorf("(-sent +read):\n%s", diff)
			}
		})
	}
}

// The viewer, asked as Jaeger is, answers with what was sent, and what it
// answered can be saved and read.
func TestQueries(t *testing.T) {
	sent := requests(t)
	url := viewerOf(t, sent)
	want := written(recordingOf(t, sent))
	r := recording.New(0)
	deadline := time.Now().Add(20 * time.Second)
	for len(r.Traces()) < 30 && time.Now().Before(deadline) {
		r = recording.New(0)
		if err := r.AddQuery(t.Context(), recording.Query{URL: url, Limit: 100, Lookback: time.Hour}); err != nil {
			time.Sleep(20 * time.Millisecond) // the viewer has not read it yet
		}
	}
	if diff := gocmp.Diff(want, written(r)); diff != "" {
		t.Errorf("asked (-sent +read):\n%s", diff)
	}
	one := recording.New(0)
	if err := one.AddQuery(t.Context(), recording.Query{URL: url, Service: "gateway", Limit: 1, Lookback: time.Hour}); err != nil || len(one.Traces()) != 1 {
		t.Errorf("asked for one, got %d, %v", len(one.Traces()), err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/traces?service=gateway&limit=100", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	saved, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "saved.json")
	if err := os.WriteFile(file, saved, 0o600); err != nil {
		t.Fatal(err)
	}
	read := recording.New(0)
	if err := read.AddFile(file); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, written(read)); diff != "" {
		t.Errorf("saved (-sent +read):\n%s", diff)
	}
}

// viewerOf is a viewer that has what was sent.
func viewerOf(t *testing.T, sent [][]byte) (url string) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	cfg := collector.DefaultConfig()
	cfg.Receive = cfg.Receive.OTLPOnly()
	cfg.Receive.OTLP.GRPC.Address, cfg.Receive.OTLP.HTTP.Address = "off", "127.0.0.1:0"
	cfg.Derive.Address, cfg.Admin.Address, cfg.Journal.Dir = "127.0.0.1:0", "127.0.0.1:0", t.TempDir()
	c, err := collector.Start(t.Context(), cfg, logger)
	if err != nil {
		t.Fatal(err)
	}
	look := viewer.DefaultConfig()
	look.Address = "127.0.0.1:0"
	v, err := viewer.Start(t.Context(), look, c.Journal(), logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		if err := v.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := c.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	for _, body := range sent {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.OTLPHTTP().String()+"/v1/traces", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-protobuf")
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", resp, err)
		}
		_ = resp.Body.Close()
	}
	return "http://" + v.Addr().String()
}

// An old client's span: short ids, a parent in a field, tags of every type.
const oldJaeger = `{"data":[{"traceID":"1f","spans":[
 {"traceID":"1f","spanID":"2a","operationName":"old","startTime":1000,"duration":5,"processID":"p1","references":[],
  "tags":[{"key":"span.kind","type":"string","value":"server"},{"key":"error","type":"bool","value":true},{"key":"n","type":"int64","value":"7"},
   {"key":"m","type":"int64","value":8},{"key":"f","type":"float64","value":1.5},{"key":"b","type":"binary","value":"aGk="},{"key":"odd","type":"int64","value":"x"}],
  "logs":[{"timestamp":1001,"fields":[{"key":"event","type":"string","value":"retry"}]}]},
 {"traceID":"1f","spanID":"2b","parentSpanID":"2a","operationName":"child","startTime":1001,"duration":1,"processID":"p1","tags":[],
  "references":[{"refType":"FOLLOWS_FROM","traceID":"99","spanID":"98"}]}],
 "processes":{"p1":{"serviceName":"legacy","tags":[{"key":"host","type":"string","value":"h1"}]}}}]}`

func TestOldJaegerJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "old.json")
	if err := os.WriteFile(file, []byte(oldJaeger), 0o600); err != nil {
		t.Fatal(err)
	}
	r := recording.New(0)
	if err := r.AddFile(file); err != nil {
		t.Fatal(err)
	}
	root, child := r.Traces()[0].Spans[0], r.Traces()[0].Spans[1]
	if root.ID() != 0x2a || root.Service() != "legacy" || root.GetKind() != 2 || root.GetStatus().GetCode() != 2 || root.GetEvents()[0].GetName() != "retry" {
		t.Errorf("root = %v", root)
	}
	values := map[string]string{}
	for _, a := range root.GetAttributes() {
		values[a.GetKey()] = strings.ReplaceAll(a.GetValue().String(), "  ", " ")
	}
	want := map[string]string{"n": "int_value:7", "m": "int_value:8", "f": "double_value:1.5", "b": `bytes_value:"hi"`, "odd": `string_value:"x"`}
	if diff := gocmp.Diff(want, values); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if child.Parent() != 0x2a || len(child.GetLinks()) != 1 || child.GetLinks()[0].GetTraceId()[15] != 0x99 {
		t.Errorf("child = %v", child)
	}
}

func TestBadFiles(t *testing.T) {
	for name, test := range map[string]struct{ data, want string }{
		"empty":          {"", "no traces"},
		"other JSON":     {`{"a": 1}`, "want resourceSpans"},
		"torn JSON":      {`{"resourceSpans": [`, "JSON value 1"},
		"no protobuf":    {"\xff\xff\xff\xff\xff", "decode traces"},
		"torn gzip":      {"\x1f\x8b\x08", "EOF"},
		"no gzip":        {"\x1f\x8bxxxxxxxxxxxx", "gzip"},
		"Jaeger's empty": {`{"data": []}`, "no traces"},
		"a bad id":       {`{"data": [{"spans": [{"traceID": "xyz", "spanID": "1"}]}]}`, `id "xyz"`},
		"no id":          {`{"data": [{"spans": [{"traceID": "1", "spanID": "0"}]}]}`, "zeros"},
		"a long id":      {`{"data": [{"spans": [{"traceID": "1", "spanID": "12345678901234567"}]}]}`, "16 hexadecimal"},
	} {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte(test.data), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := recording.New(0).AddFile(file); err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), file) {
			t.Errorf("%s: error = %v, want %s", name, err, test.want)
		}
	}
}

func TestBadQueries(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/broken"):
			w.WriteHeader(http.StatusInternalServerError)
		case strings.HasPrefix(r.URL.Path, "/text"):
			_, _ = w.Write([]byte("<html>"))
		default:
			_, _ = w.Write([]byte(`{"data": []}`))
		}
	}))
	defer server.Close()
	for url, want := range map[string]string{
		"ftp://host": "want a URL", server.URL: "no traces", server.URL + "/broken": "500", server.URL + "/text": "invalid character",
	} {
		if err := recording.New(0).AddQuery(t.Context(), recording.Query{URL: url}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v", url, err)
		}
	}
}

// What there is no room for is counted.
func TestLimit(t *testing.T) {
	r := recording.New(5)
	for _, request := range requests(t) {
		if err := r.Add(request); err != nil {
			t.Fatal(err)
		}
	}
	kept := 0
	for _, trace := range r.Traces() {
		kept += len(trace.Spans)
	}
	if all := strings.Count(written(recordingOf(t, requests(t))), "\n") + 1; len(r.Traces()) != 5 || kept+r.LeftOut != all {
		t.Errorf("%d traces with %d spans are kept, %d left out, of %d", len(r.Traces()), kept, r.LeftOut, all)
	}
}

func FuzzAddFile(f *testing.F) {
	f.Add([]byte(oldJaeger))
	f.Add([]byte(`{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"0123456789abcdef0123456789abcdef","spanId":"0123456789abcdef"}]}]}]}`))
	f.Add([]byte{0, 0, 0, 2, 0x0a, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		r := recording.New(0)
		if err := r.AddFile(file); err != nil {
			return
		}
		for _, trace := range r.Traces() {
			for _, s := range trace.Spans {
				if s.ID() == 0 || s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() {
					t.Errorf("span %v", s)
				}
			}
		}
	})
}
