package receive

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jaegertracing/jaeger-idl/proto-gen/api_v2"
	jaegerclient "github.com/uber/jaeger-client-go"
	"go.opentelemetry.io/contrib/samplers/jaegerremote"
	"go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/listen/listentest"
	"github.com/waybill-dev/waybill/collector/receive/jaeger"
)

func TestSamplingStrategy(t *testing.T) {
	cfg := legacyConfig()
	cfg.Jaeger.Sampling.Probability = 0.25
	r, _ := receivers(t, cfg, memory.New(memory.Config{}))
	const modern = `{"strategyType":"PROBABILISTIC","probabilisticSampling":{"samplingRate":0.25}}`
	for _, test := range []struct{ name, path, want string }{
		{nameSampling, "/sampling?service=shop", modern},
		{nameJaegerHTTP, "/api/sampling?service=shop", modern},
		{nameSampling, "/?service=shop", `{"strategyType":0,"probabilisticSampling":{"samplingRate":0.25}}`},
		{nameSampling, "/baggageRestrictions?service=shop", "[]"},
	} {
		code, header, body := ask(t, http.MethodGet, r.at(test.name), test.path, nil)
		if code != 200 || body != test.want || header.Get("Content-Type") != jsonType {
			t.Errorf("%s is answered %d %s %q, want %q", test.path, code, header.Get("Content-Type"), body, test.want)
		}
	}
	conn, err := grpc.NewClient(r.at(nameJaegerGRPC).String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for range 2 {
		got, err := api_v2.NewSamplingManagerClient(conn).GetSamplingStrategy(t.Context(), &api_v2.SamplingStrategyParameters{ServiceName: "shop"})
		if err != nil || got.StrategyType != api_v2.SamplingStrategyType_PROBABILISTIC || got.GetProbabilisticSampling().GetSamplingRate() != 0.25 {
			t.Errorf("over gRPC the strategy is %v, %v", got, err)
		}
	}
}

// byService has a service with operations of its own, and one with a limit; no
// other samples anything.
func byService() *Strategies {
	s := &Strategies{}
	s.Set(jaeger.Strategy{}, map[string]jaeger.Strategy{
		"shop":    {Operations: map[string]float64{"checkout": 1}},
		"limited": {TracesPerSecond: 5},
	})
	return s
}

// TestJaegersClientsFollow what they are told, and what they are told next.
func TestJaegersClientsFollow(t *testing.T) {
	cfg := legacyConfig()
	cfg.Jaeger.Sampling.Strategies = byService()
	r, _ := receivers(t, cfg, memory.New(memory.Config{}))
	for name, sampled := range map[string]func(t *testing.T, service string) func(operation string) bool{
		"jaeger-client-go": func(t *testing.T, service string) func(string) bool { return ofJaegersClient(t, r, service) },
		"jaegerremote":     func(t *testing.T, service string) func(string) bool { return ofJaegerRemote(t, r, service) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg.Jaeger.Sampling.Strategies.Set(byService().all())
			shop, limited, other := sampled(t, "shop"), sampled(t, "limited"), sampled(t, "other")
			waitUntil(t, "checkout is sampled", func() bool { return shop("checkout") })
			// jaeger-client-go samples an operation's first trace, whatever its share.
			if n := among(shop, "browse"); n > 10 {
				t.Errorf("of 1000 traces of browse %d are sampled, too", n)
			}
			burst := 0
			waitUntil(t, "something of limited is sampled", func() bool {
				burst = among(limited, "any")
				return burst > 0
			})
			if burst > 100 { // The thousand may take some seconds.
				t.Errorf("of 1000 at once %d are sampled at 5 a second", burst)
			}
			if other("any") {
				t.Error("another service is sampled")
			}
			cfg.Jaeger.Sampling.Strategies.Set(jaeger.Strategy{Probability: 1}, nil)
			waitUntil(t, "all are sampled", func() bool { return shop("browse") && other("any") })
		})
	}
}

// among is how many of a thousand traces are sampled.
func among(sampled func(operation string) bool, operation string) (n int) {
	for range 1000 {
		if sampled(operation) {
			n++
		}
	}
	return n
}

// all is what Set takes.
func (s *Strategies) all() (jaeger.Strategy, map[string]jaeger.Strategy) {
	c := s.current.Load()
	return c.others, c.services
}

const askEvery = 5 * time.Millisecond

// ofJaegersClient says what jaeger-client-go samples.
func ofJaegersClient(t *testing.T, r *Receivers, service string) func(operation string) bool {
	t.Helper()
	return ofJaegersClientBy(t, service, jaegerclient.SamplerOptions.SamplingServerURL("http://"+r.at(nameSampling).String()+"/sampling"))
}

// ofJaegersClientBy says it of one that asks in that way.
func ofJaegersClientBy(t *testing.T, service string, asking jaegerclient.SamplerOption) func(operation string) bool {
	t.Helper()
	sampler := jaegerclient.NewRemotelyControlledSampler(service, asking,
		jaegerclient.SamplerOptions.SamplingRefreshInterval(askEvery),
		jaegerclient.SamplerOptions.InitialSampler(jaegerclient.NewConstSampler(false)))
	tracer, closer := jaegerclient.NewTracer(service, sampler, jaegerclient.NewNullReporter())
	t.Cleanup(func() { _ = closer.Close() })
	return func(operation string) bool {
		span := tracer.StartSpan(operation)
		defer span.Finish()
		context, ok := span.Context().(jaegerclient.SpanContext)
		return ok && context.IsSampled()
	}
}

// ofJaegerRemote says what OpenTelemetry's sampler for Jaeger's strategies
// samples; it asks at the collector's address.
func ofJaegerRemote(t *testing.T, r *Receivers, service string) func(operation string) bool {
	t.Helper()
	sampler := jaegerremote.New(service,
		jaegerremote.WithSamplingServerURL("http://"+r.at(nameJaegerHTTP).String()+"/api/sampling"),
		jaegerremote.WithSamplingRefreshInterval(askEvery),
		jaegerremote.WithInitialSampler(trace.NeverSample()))
	t.Cleanup(sampler.Close)
	return func(operation string) bool {
		decision := sampler.ShouldSample(trace.SamplingParameters{ParentContext: t.Context(), TraceID: [16]byte{1}, Name: operation})
		return decision.Decision == trace.RecordAndSample
	}
}

// TestStrategiesOverGRPC are by service, too; what is no question is refused.
func TestStrategiesOverGRPC(t *testing.T) {
	cfg := legacyConfig()
	cfg.Jaeger.Sampling.Strategies = byService()
	r, _ := receivers(t, cfg, memory.New(memory.Config{}))
	conn, err := grpc.NewClient(r.at(nameJaegerGRPC).String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client := api_v2.NewSamplingManagerClient(conn)
	got, err := client.GetSamplingStrategy(t.Context(), &api_v2.SamplingStrategyParameters{ServiceName: "limited"})
	if err != nil || got.GetRateLimitingSampling().GetMaxTracesPerSecond() != 5 {
		t.Errorf("limited: %v, %v", got, err)
	}
	got, err = client.GetSamplingStrategy(t.Context(), &api_v2.SamplingStrategyParameters{ServiceName: "shop"})
	if err != nil || len(got.GetOperationSampling().GetPerOperationStrategies()) != 1 {
		t.Errorf("shop: %v, %v", got, err)
	}
	_, err = client.GetSamplingStrategy(t.Context(), &api_v2.SamplingStrategyParameters{ServiceName: strings.Repeat("x", maxQuestion+1)})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("a long name: %v", err)
	}
}

// TestQuestions that are none are told apart from those of an unknown service.
func TestQuestions(t *testing.T) {
	cfg := legacyConfig()
	cfg.Jaeger.Sampling.Strategies = byService()
	r, _ := receivers(t, cfg, memory.New(memory.Config{}))
	for name, c := range map[string]struct {
		frame []byte
		want  codes.Code
	}{
		"nothing":      {nil, codes.Internal},
		"cut off":      {[]byte{0, 0, 0, 0, 9, 10, 7}, codes.Unavailable},
		"compressed":   {frame(1, gzipOf(t, []byte("\x0a\x01x"))), codes.Unimplemented},
		"too long":     {frame(0, make([]byte, maxQuestion+1)), codes.Unimplemented},
		"no protobuf":  {frame(0, []byte{10}), codes.Internal},
		"no service":   {frame(0, nil), codes.OK},
		"some service": {frame(0, []byte("\x0a\x01x")), codes.OK},
	} {
		_, got := callAt(t, r.at(nameJaegerGRPC), "/jaeger.api_v2.SamplingManager/GetSamplingStrategy", bytes.NewReader(c.frame), "Grpc-Encoding", "gzip")
		if codes.Code(got.Code) != c.want {
			t.Errorf("%s: status %v, want %v", name, got, c.want)
		}
	}
}

// fetcher asks as a program does that has a token.
type fetcher struct {
	client http.Client
	url    string
	token  string
	denied atomic.Int64
}

// Fetch implements jaegerclient.SamplingStrategyFetcher.
func (f *fetcher) Fetch(service string) ([]byte, error) {
	request, err := http.NewRequest(http.MethodGet, f.url+"?service="+url.QueryEscape(service), nil) //nolint:noctx // The interface has no context.
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+f.token)
	response, err := f.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		f.denied.Add(1)
		return nil, errors.New(response.Status)
	}
	return io.ReadAll(response.Body)
}

// TestStrategiesBehindTLSAndToken has jaeger-client-go ask as it does by itself,
// which trusts the system's authorities, and with a token, by a fetcher.
func TestStrategiesBehindTLSAndToken(t *testing.T) {
	authority := listentest.NewAuthority(t)
	cert, key := authority.Issue(t, "collector")
	cfg := legacyConfig()
	cfg.Jaeger.Sampling.Probability = 1
	cfg.Jaeger.Sampling.TLS = listen.TLS{CertFile: listen.File(cert), KeyFile: listen.File(key)}
	r, _ := receivers(t, cfg, memory.New(memory.Config{}))
	at := "https://" + r.at(nameSampling).String() + "/sampling"
	trusting := &http.Transport{TLSClientConfig: authority.Client(t, "", "")}
	t.Cleanup(trusting.CloseIdleConnections)

	usual := http.DefaultTransport
	http.DefaultTransport = trusting // The client makes its own of it.
	byItself := ofJaegersClientBy(t, "shop", jaegerclient.SamplerOptions.SamplingServerURL(at))
	http.DefaultTransport = usual
	waitUntil(t, "a client that trusts the authority is told", func() bool { return byItself("any") })

	cfg.Jaeger.Sampling.Auth.Bearer = listen.Tokens{"t0ken"}
	r, _ = receivers(t, cfg, memory.New(memory.Config{}))
	at = "https://" + r.at(nameSampling).String() + "/sampling"
	good, bad := &fetcher{url: at, token: "t0ken"}, &fetcher{url: at, token: "wr0ng"}
	good.client.Transport, bad.client.Transport = trusting, trusting
	told := ofJaegersClientBy(t, "shop", jaegerclient.SamplerOptions.SamplingStrategyFetcher(good))
	refused := ofJaegersClientBy(t, "shop", jaegerclient.SamplerOptions.SamplingStrategyFetcher(bad))
	waitUntil(t, "a client with a token is told", func() bool { return told("any") })
	waitUntil(t, "one with another is refused", func() bool { return bad.denied.Load() > 0 })
	if refused("any") {
		t.Error("a client that was refused samples what others are told to")
	}
	if summary := summaryOf(r, nameSampling); summary != "TLS, token" {
		t.Errorf("it is said to be protected by %q", summary)
	}
}

func summaryOf(r *Receivers, name string) string {
	for _, l := range r.Listeners() {
		if l.Name == name {
			return l.Security
		}
	}
	return ""
}
