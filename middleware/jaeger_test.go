package middleware_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware"
)

// posts is a round tripper that takes everything, and keeps where it was sent
// with which authorization.
type posts struct {
	mu   sync.Mutex
	urls []string
	auth []string
}

func (p *posts) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.urls = append(p.urls, r.URL.String())
	p.auth = append(p.auth, r.Header.Get("Authorization"))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// sent has a span sent under an environment, and gives where to, with which
// authorization, and what was logged.
func sent(t *testing.T, env []string, opts ...middleware.Option) (url, authorization, log string) {
	t.Helper()
	var lines bytes.Buffer
	to := &posts{}
	env = append(env, "OTEL_METRICS_EXPORTER", "none", "OTEL_LOGS_EXPORTER", "none")
	tel := setup(t, append(opts, middleware.WithGetenv(environ(env...)), middleware.WithLogWriter(&lines),
		middleware.WithHTTPClient(&http.Client{Transport: to}))...)
	started(t.Context(), tel, "span")
	flush(t, tel)
	to.mu.Lock()
	defer to.mu.Unlock()
	if len(to.urls) == 0 {
		return "", "", lines.String()
	}
	return to.urls[0], to.auth[0], lines.String()
}

func TestJaegersEndpointsBecomeOTLP(t *testing.T) {
	const basic = "Basic dXNlcjpzM2NyZXQ=" // user:s3cret
	password := []string{"JAEGER_USER", "user", "JAEGER_PASSWORD", "s3cret"}
	for name, test := range map[string]struct {
		env       []string
		opts      []middleware.Option
		url, auth string
		told      string // that a warning is about
	}{
		"agent": {
			env: []string{"JAEGER_AGENT_HOST", "agent", "JAEGER_AGENT_PORT", "6831"},
			url: "http://agent:4318/v1/traces", told: "JAEGER_AGENT_HOST",
		},
		"agent of IPv6": {env: []string{"JAEGER_AGENT_HOST", "::1"}, url: "http://[::1]:4318/v1/traces"},
		"collector": {
			env: append([]string{"JAEGER_ENDPOINT", "https://jaeger.example:14268/api/traces", "JAEGER_AGENT_HOST", "agent"}, password...),
			url: "https://jaeger.example:4318/v1/traces", auth: basic, told: "JAEGER_ENDPOINT",
		},
		"password without an endpoint": {env: password, url: "http://127.0.0.1:4318/v1/traces"},
		"password not to the agent": {
			env: append([]string{"JAEGER_AGENT_HOST", "agent"}, password...), url: "http://agent:4318/v1/traces",
		},
		"OTEL_* first": {
			env: append([]string{"JAEGER_ENDPOINT", "http://jaeger.example:14268", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"}, password...),
			url: "http://c:1/v1/traces",
		},
		"a signal's own first": {
			env: append([]string{"JAEGER_ENDPOINT", "http://jaeger.example:14268", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:1/x"}, password...),
			url: "http://c:1/x",
		},
		"header first": {
			env: append([]string{"JAEGER_ENDPOINT", "http://j:14268", "OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t"}, password...),
			url: "http://j:4318/v1/traces", auth: "Bearer t",
		},
		"option first": {
			env:  append([]string{"JAEGER_ENDPOINT", "http://jaeger.example:14268"}, password...),
			opts: []middleware.Option{middleware.WithEndpoint("http://option:1")}, url: "http://option:1/v1/traces",
		},
		"no URL": {
			env: []string{"JAEGER_ENDPOINT", "user:s3cret@jaeger"}, url: "http://127.0.0.1:4318/v1/traces", told: "JAEGER_ENDPOINT",
		},
		"disabled": {env: []string{"JAEGER_DISABLED", "1"}},
	} {
		url, auth, log := sent(t, test.env, test.opts...)
		if url != test.url || auth != test.auth {
			t.Errorf("%s: sent to %q with %q, want %q with %q", name, url, auth, test.url, test.auth)
		}
		if !strings.Contains(log, test.told) || strings.Contains(log, "s3cret") || strings.Contains(log, basic) {
			t.Errorf("%s: want to be told of %s, and no password, in\n%s", name, test.told, log)
		}
	}
}

func TestJaegersSamplersBecomeOurs(t *testing.T) {
	sampledParent := trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, Remote: true,
	}))
	for _, test := range []struct {
		kind, param, otel string
		want              bool
		told              string
	}{
		{"const", "1", "", true, ""},
		{"const", "0", "", false, ""},
		{"const", "0", "always_on", true, ""},
		{"probabilistic", "0", "", false, ""},
		{"Probabilistic", "1.0", "", true, ""},
		{"probabilistic", "many", "", true, "JAEGER_SAMPLER_PARAM"},
		{"ratelimiting", "5", "", true, ""},
		{"RateLimiting", "0", "", false, ""},
		{"ratelimiting", "", "", true, "OTEL_TRACES_SAMPLER_ARG"},
		{"ratelimiting", "0", "always_on", true, ""},
		{"nonsense", "", "", true, "JAEGER_SAMPLER_TYPE"},
	} {
		var lines bytes.Buffer
		tel := setup(t, middleware.WithLogWriter(&lines), middleware.WithGetenv(environ(
			"JAEGER_SAMPLER_TYPE", test.kind, "JAEGER_SAMPLER_PARAM", test.param, "OTEL_TRACES_SAMPLER", test.otel,
			"OTEL_TRACES_EXPORTER", "none", "OTEL_METRICS_EXPORTER", "none", "OTEL_LOGS_EXPORTER", "none")))
		if got := started(t.Context(), tel, "root").IsSampled(); got != test.want {
			t.Errorf("%s(%s): a root is sampled: %v, want %v", test.kind, test.param, got, test.want)
		}
		if !started(sampledParent, tel, "child").IsSampled() {
			t.Errorf("%s(%s): a sampled trace is not gone on with", test.kind, test.param)
		}
		if told := strings.Contains(lines.String(), `"WARN"`); told != (test.told != "") || !strings.Contains(lines.String(), test.told) {
			t.Errorf("%s(%s): want a warning of %q in\n%s", test.kind, test.param, test.told, lines.String())
		}
	}
}

// TestJaegersRemoteSamplerAsks has a server of strategies that wants nothing of
// the service to be sampled, found in each of the ways that the client had.
func TestJaegersRemoteSamplerAsks(t *testing.T) {
	asked := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r.URL.String():
		default:
		}
		_, _ = w.Write([]byte(`{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0}}`))
	}))
	defer server.Close()
	for _, env := range [][]string{
		{"JAEGER_SAMPLER_TYPE", "remote", "JAEGER_SAMPLER_PARAM", "1", "JAEGER_SAMPLING_ENDPOINT", server.URL + "/sampling", "JAEGER_SAMPLER_REFRESH_INTERVAL", "10ms"},
		{"JAEGER_SAMPLER_TYPE", "remote", "JAEGER_SAMPLER_PARAM", "1", "JAEGER_SAMPLER_MANAGER_HOST_PORT", strings.TrimPrefix(server.URL, "http://")},
		{"OTEL_TRACES_SAMPLER", "parentbased_jaeger_remote", "OTEL_TRACES_SAMPLER_ARG", "endpoint=" + server.URL + "/sampling, pollingIntervalMs=10,initialSamplingRate=1"},
		{"OTEL_TRACES_SAMPLER", "jaeger_remote", "OTEL_TRACES_SAMPLER_ARG", "endpoint=" + server.URL + "/sampling,initialSamplingRate=1"},
	} {
		var lines bytes.Buffer
		tel := setup(t, middleware.WithServiceName("order"), middleware.WithLogWriter(&lines), middleware.WithGetenv(environ(append(env,
			"OTEL_TRACES_EXPORTER", "none", "OTEL_METRICS_EXPORTER", "none", "OTEL_LOGS_EXPORTER", "none")...)))
		start := time.Now()
		for started(t.Context(), tel, "root").IsSampled() {
			if time.Since(start) > 20*time.Second {
				t.Fatalf("%q: the answer is not obeyed", env)
			}
			time.Sleep(time.Millisecond)
		}
		if got := <-asked; got != "/sampling?service=order" {
			t.Errorf("%q: asked for %s", env, got)
		}
		sampledParent := trace.ContextWithRemoteSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, Remote: true,
		}))
		if got, want := started(sampledParent, tel, "child").IsSampled(), env[1] != "jaeger_remote"; got != want {
			t.Errorf("%q: a sampled trace is gone on with: %v, want %v", env, got, want)
		}
		if err := tel.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if strings.Contains(lines.String(), `"WARN"`) {
			t.Errorf("%q: warned of\n%s", env, lines.String())
		}
		for len(asked) > 0 {
			<-asked
		}
	}
}

// TestRemoteSamplerWithoutAnswer samples what it was told to sample until then,
// and says so once.
func TestRemoteSamplerWithoutAnswer(t *testing.T) {
	asked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		select {
		case asked <- struct{}{}:
		default:
		}
	}))
	defer server.Close()
	var lines bytes.Buffer
	tel := setup(t, middleware.WithLogWriter(&lines), middleware.WithGetenv(environ(
		"OTEL_TRACES_SAMPLER", "jaeger_remote", "OTEL_TRACES_SAMPLER_ARG", "endpoint="+server.URL+",pollingIntervalMs=1,initialSamplingRate=1",
		"OTEL_TRACES_EXPORTER", "none", "OTEL_METRICS_EXPORTER", "none", "OTEL_LOGS_EXPORTER", "none")))
	for range 5 {
		<-asked
	}
	if !started(t.Context(), tel, "root").IsSampled() {
		t.Error("the initial share is not sampled")
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(lines.String(), "sampling strategy can't be asked for"); n != 1 {
		t.Errorf("it is told %d times, want once:\n%s", n, lines.String())
	}
}

func TestJaegersPropagationBecomesOurs(t *testing.T) {
	for _, test := range []struct {
		words, otel string
		want        []string
	}{
		{"jaeger", "", []string{"uber-trace-id"}},
		{"b3,W3C", "", []string{"traceparent", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid"}},
		{"jaeger", "b3", []string{"b3"}},
		{"nonsense", "", []string{"traceparent"}},
	} {
		tel := setup(t, middleware.WithGetenv(environ("JAEGER_PROPAGATION", test.words, "OTEL_PROPAGATORS", test.otel)))
		sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: 1})
		written := propagation.MapCarrier{}
		tel.Propagator().Inject(trace.ContextWithSpanContext(t.Context(), sc), written)
		if keys := slices.Sorted(slices.Values(written.Keys())); !slices.Equal(keys, test.want) {
			t.Errorf("%q writes %q, want %q", test.words, keys, test.want)
		}
	}
}

func TestJaegersNameAndTagsDescribeTheService(t *testing.T) {
	for name, test := range map[string]struct {
		env  []string
		want map[string]string
	}{
		"name and tags": {
			env: []string{
				"JAEGER_SERVICE_NAME", "order", "JAEGER_TAGS", "team = shop, zone=${ZONE:north},rack=${RACK:7}, nonsense,empty=${X}",
				"ZONE", "south",
			},
			want: map[string]string{"service.name": "order", "team": "shop", "zone": "south", "rack": "7"},
		},
		"OTEL_* first": {
			env: []string{
				"JAEGER_SERVICE_NAME", "order", "JAEGER_TAGS", "team=shop,zone=north",
				"OTEL_RESOURCE_ATTRIBUTES", "service.name=payment,team=money",
			},
			want: map[string]string{"service.name": "payment", "team": "money", "zone": "north"},
		},
	} {
		collector := newReceiver(t)
		tel := setup(t, middleware.WithEndpoint(collector.URL), middleware.WithGetenv(environ(test.env...)))
		started(t.Context(), tel, "span")
		flush(t, tel)
		collector.mu.Lock()
		got := attributesOf(collector.spans[0].GetResource().GetAttributes())
		collector.mu.Unlock()
		for key, want := range test.want {
			if got[key] != want {
				t.Errorf("%s: %s = %q, want %q", name, key, got[key], want)
			}
		}
	}
}

func TestJaegersNonsenseIsIgnoredWithAWarning(t *testing.T) {
	nonsense := []string{
		"JAEGER_DISABLED", "perhaps", "JAEGER_TAGS", "x", "JAEGER_PROPAGATION", "x", "JAEGER_SAMPLER_TYPE", "x",
		"JAEGER_REPORTER_FLUSH_INTERVAL", "soon", "JAEGER_ENDPOINT", "x",
	}
	var lines bytes.Buffer
	setup(t, middleware.WithLogWriter(&lines), middleware.WithGetenv(environ(nonsense...)))
	for i := 0; i < len(nonsense); i += 2 {
		if !strings.Contains(lines.String(), `"error":"`+nonsense[i]) {
			t.Errorf("no warning of %s in\n%s", nonsense[i], lines.String())
		}
	}
}
