package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/tracegen"
	"github.com/waybill-dev/waybill/tracegen/topology"
	"github.com/waybill-dev/waybill/tracegen/verify"
)

// endpoints is a flag that is given once for each target.
type endpoints []string

func (e *endpoints) String() string { return strings.Join(*e, " ") }

// Set adds one.
func (e *endpoints) Set(text string) error {
	*e = append(*e, text)
	return nil
}

// headers is a flag that is given once for each header. What it holds is not
// printed.
type headers map[string]tracegen.Secret

func (h headers) String() string { return "" }

// variable is how a value takes something from the environment, where other
// users of the machine do not see it.
var variable = regexp.MustCompile(`\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}`)

// Set reads Name: value.
func (h headers) Set(text string) error {
	name, value, ok := strings.Cut(text, ":")
	if !ok || name == "" {
		return errors.New("want NAME: VALUE")
	}
	h[strings.TrimSpace(name)] = tracegen.Secret(variable.ReplaceAllStringFunc(strings.TrimSpace(value), func(found string) string {
		return os.Getenv(variable.FindStringSubmatch(found)[1])
	}))
	return nil
}

// signals is a flag that says what is sent beside traces.
type signals struct{ cfg *tracegen.Config }

func (signals) String() string { return "traces" }

// Set reads names with commas between them.
func (s signals) Set(text string) error {
	asked := map[string]bool{}
	for name := range strings.SplitSeq(text, ",") {
		asked[strings.TrimSpace(name)] = true
	}
	s.cfg.Logs, s.cfg.Metrics = asked["logs"], asked["metrics"]
	known := asked["traces"]
	delete(asked, "traces")
	delete(asked, "logs")
	delete(asked, "metrics")
	if !known || len(asked) > 0 {
		return errors.New("want traces, and with commas logs, metrics")
	}
	return nil
}

// enumeration is a flag for a type of text.
type enumeration[T ~string] struct{ into *T }

func (e enumeration[T]) String() string {
	if e.into == nil { // package flag asks a zero value, too
		return ""
	}
	return string(*e.into)
}

// Set takes the text; Validate says whether it is good.
func (e enumeration[T]) Set(text string) error {
	*e.into = T(text)
	return nil
}

// sendingFlags are the flags of commands that send.
type sendingFlags struct {
	*flag.FlagSet
	into      *sending
	endpoints endpoints
	failIf    string
}

func newSendingFlags(name string, into *sending, errs io.Writer) *sendingFlags {
	f := &sendingFlags{FlagSet: newFlags(name, errs), into: into}
	cfg := &into.cfg
	*cfg = tracegen.DefaultConfig()
	cfg.Headers = headers{}
	f.Var(&f.endpoints, "endpoint", "where to send: a `URL`, for gRPC host:port; several targets by repeating it (default is the protocol's port of this machine)")
	f.Var(enumeration[tracegen.Protocol]{&cfg.Protocol}, "protocol", "http, grpc or http/json for OTLP, jaeger or zipkin")
	f.Var(enumeration[tracegen.Routing]{&cfg.Routing}, "routing", "which of several targets gets a request: round-robin, failover or mirror (default round-robin)")
	f.IntVar(&cfg.Connections, "connections", 0, "connections to each target (default one for gRPC, one for each worker over HTTP)")
	f.Var(enumeration[tracegen.Compression]{&cfg.Compression}, "compression", "none, gzip or zstd (default none)")
	f.Var(headers(cfg.Headers), "header", "`NAME: VALUE` that goes with each request; ${env:NAME} takes a value from the environment; it may be repeated")
	f.StringVar(&cfg.TLS.CA, "ca", "", "`file` with the certificates of authorities to trust, in PEM (default the system's)")
	f.StringVar(&cfg.TLS.Cert, "cert", "", "`file` with the certificate to show, in PEM")
	f.StringVar(&cfg.TLS.Key, "key", "", "`file` with the key of --cert, in PEM")
	f.BoolVar(&cfg.TLS.Insecure, "insecure", false, "trust any certificate: for tests only")
	f.IntVar(&cfg.Workers, "workers", cfg.Workers, "requests under way at once")
	f.IntVar(&cfg.Batch, "batch", cfg.Batch, "traces in one request, at most")
	f.DurationVar(&cfg.Timeout, "timeout", cfg.Timeout, "how long one request may take, with all its repetitions")
	f.Uint64Var(&cfg.Seed, "seed", 0, "the same seed makes the same traces, but for their times (default another each time)")
	f.StringVar(&into.report, "report", "", "write the report to this JSON `file`; tracegen verify reads it")
	f.StringVar(&into.html, "html", "", "write the report with charts to this HTML `file`")
	f.StringVar(&f.failIf, "fail-if", "", "what makes the exit status 1, as in 'loss>0,p99>250ms' (default: anything that was not acknowledged)")
	f.StringVar(&into.metrics, "metrics", "", "serve metrics for Prometheus at this `address` while it runs")
	into.verify = verify.DefaultConfig()
	f.StringVar(&into.verify.URL, "verify", "", "ask the viewer, Jaeger or sink at this `URL` for every trace at the end, as in http://127.0.0.1:16686")
	f.DurationVar(&into.verify.Wait, "verify-wait", into.verify.Wait, "how long to wait for what is on its way")
	f.Uint64Var(&into.verify.Sample, "verify-sample", 0, "ask for so many of the traces only, evenly spread")
	f.BoolVar(&into.quiet, "quiet", false, "print no progress")
	return f
}

// finish works out what several flags say together.
func (f *sendingFlags) finish(given map[string]bool) error {
	cfg := &f.into.cfg
	cfg.Endpoint = cfg.Protocol.DefaultEndpoint()
	if len(f.endpoints) > 0 {
		cfg.Endpoint, cfg.Others = f.endpoints[0], f.endpoints[1:]
	}
	if !given["seed"] {
		cfg.Seed = rand.Uint64() //nolint:gosec // it need not be secret
	}
	var err error
	if f.failIf != "" {
		if f.into.thresholds, err = tracegen.ParseThresholds(f.failIf); err != nil {
			return err
		}
	}
	if f.into.verify.URL != "" {
		if err := f.into.verify.Validate(); err != nil {
			return fmt.Errorf("verify: %w", err)
		}
	}
	return cfg.Validate()
}

// parseSending parses the flags of run.
func parseSending(args []string, errs io.Writer) (sending, error) {
	var s sending
	flags := newSendingFlags("run", &s, errs)
	cfg := &s.cfg
	named := flags.String("topology", "shop", "what the traces are of: one that is built in, or a YAML `file`")
	flags.Float64Var(&cfg.Rate, "rate", cfg.Rate, "traces a second, or what --unit says; 0 is as fast as they are acknowledged")
	flags.Var(enumeration[tracegen.Unit]{&cfg.Unit}, "unit", "what --rate counts: traces, spans or bytes")
	flags.StringVar(&cfg.Pace, "pace", "", "how the rate changes: ramp:to=RATE,over=30s  steps:add=RATE,every=10s[,to=RATE]  sine:amplitude=RATE,period=60s  burst:factor=10,for=2s,every=30s")
	flags.BoolVar(&cfg.Poisson, "poisson", false, "traces come at random distances, as independent users do")
	flags.IntVar(&cfg.InFlight, "in-flight", 0, "no rate: so many requests are under way all the time")
	flags.Uint64Var(&cfg.Traces, "traces", cfg.Traces, "end after so many traces; 0 is no limit")
	flags.DurationVar(&cfg.Duration, "duration", cfg.Duration, "end after so long; 0 is no limit")
	flags.Var(signals{cfg}, "signals", "what of the topology is sent: traces, and with commas logs, metrics")
	flags.DurationVar(&cfg.MetricInterval, "metric-interval", 10*time.Second, "how often metrics are sent; they are also sent at the end")
	if err := parseFlags(flags.FlagSet, args); err != nil {
		return s, err
	}
	given := givenFlags(flags.FlagSet)
	if given["traces"] && !given["duration"] {
		cfg.Duration = 0 // who counts traces does not mean ten seconds
	}
	if given["in-flight"] && !given["rate"] {
		cfg.Rate = 0
	}
	var err error
	if cfg.Topology, err = topology.Load(*named); err != nil {
		return s, err
	}
	return s, flags.finish(given)
}
