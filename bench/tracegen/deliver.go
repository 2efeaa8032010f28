package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// delivery sends traces through our collector into the real Jaeger, and has
// tracegen ask for each of them: undisturbed, while the collector is killed and
// started again, and while Jaeger is down.
type delivery struct {
	traces  int
	length  time.Duration
	kills   int
	outage  time.Duration
	bound   time.Duration
	jaeger  string
	only    string
	payload string
}

func (d *delivery) register(flags *flag.FlagSet) {
	flags.IntVar(&d.traces, "traces", 100_000, "deliver: how many traces")
	flags.DurationVar(&d.length, "over", time.Minute, "deliver: in how long they are sent")
	flags.IntVar(&d.kills, "kills", 3, "deliver: how often the collector is killed")
	flags.DurationVar(&d.outage, "outage", time.Minute, "deliver: how long Jaeger is down; traces are sent for twice as long")
	flags.DurationVar(&d.bound, "bound", 10*time.Minute, "deliver: how long each of the three may take")
	flags.StringVar(&d.jaeger, "jaeger", "", "deliver: Jaeger's binary (default the one that interop/build has made)")
	flags.StringVar(&d.only, "only", "", "deliver: one of undisturbed, killed, outage")
}

// fiveSpans is a topology whose traces Jaeger can hold by the hundred thousand.
const fiveSpans = `name: five spans
services:
  front: {instances: 3, operations: {page: {name: GET /, latency: 2ms, attributes: {http.route: /, user: {pattern: "user-{n}", cardinality: 1000}}, calls: [back/item, {to: back/note, async: true}]}}}
  back: {instances: 2, operations: {item: {latency: 1ms, calls: [SELECT]}, SELECT: {kind: client, latency: 500us}, note: {kind: consumer}}}
traces: [{start: front/page}]
`

func (d *delivery) run(ctx context.Context, dir string, out io.Writer) error {
	if err := d.findJaeger(); err != nil {
		return err
	}
	binaries := map[program]string{tracegen: "", collector: ""}
	for p := range binaries {
		binary, err := p.build(ctx, dir)
		if err != nil {
			return err
		}
		binaries[p] = binary
	}
	d.payload = filepath.Join(dir, "five.yaml")
	if err := os.WriteFile(d.payload, []byte(fiveSpans), 0o600); err != nil {
		return err
	}
	failed := false
	for _, kind := range []string{"undisturbed", "killed", "outage"} {
		if d.only != "" && d.only != kind {
			continue
		}
		verdict, good, err := d.one(ctx, kind, binaries, filepath.Join(dir, kind))
		if err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		failed = failed || !good
		if _, err := fmt.Fprintf(out, "%s: %s\n", kind, verdict); err != nil {
			return err
		}
	}
	if failed {
		return errors.New("something is missing")
	}
	return nil
}

// findJaeger looks where interop/build has put it.
func (d *delivery) findJaeger() error {
	if d.jaeger != "" {
		return nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(cache, "waybill", "interop", "jaeger-*", "jaeger"))
	if err != nil || len(found) == 0 {
		return errors.New("there is no Jaeger: build it with (cd ../../interop && go run ./build), or say where it is with -jaeger")
	}
	d.jaeger = found[len(found)-1]
	return nil
}

// one runs one of the three, and returns what tracegen says.
func (d *delivery) one(ctx context.Context, kind string, binaries map[program]string, dir string) (verdict string, good bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.bound)
	defer cancel()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", false, err
	}
	jaeger, otlp, query, err := d.startJaeger(ctx)
	if err != nil {
		return "", false, err
	}
	defer jaeger.kill()
	between, err := newRelay(ctx, otlp)
	if err != nil {
		return "", false, err
	}
	defer between.cut()
	receiver := freeAddress(ctx)
	start, err := collectorAt(ctx, binaries[collector], dir, receiver, between.address)
	if err != nil {
		return "", false, err
	}
	running, err := start()
	if err != nil {
		return "", false, err
	}
	defer func() { running.kill() }()

	length := d.length
	if kind == "outage" {
		length = 2 * d.outage
	}
	rate := float64(d.traces) / length.Seconds()
	generator := launch(ctx, nil, binaries[tracegen], "--topology", d.payload, "--endpoint", "http://"+receiver, "--traces", strconv.Itoa(d.traces),
		"--rate", strconv.FormatFloat(rate, 'f', 3, 64), "--timeout", "2m", "--verify", "http://"+query, "--verify-wait", "5m", "--quiet")
	defer generator.kill()
	switch kind {
	case "killed":
		for range d.kills {
			if err := sleep(ctx, length/time.Duration(d.kills+1)); err != nil {
				return "", false, err
			}
			running.kill()
			if running, err = start(); err != nil {
				return "", false, err
			}
		}
	case "outage":
		if err := sleep(ctx, d.outage/2); err != nil {
			return "", false, err
		}
		between.cut()
		if err := sleep(ctx, d.outage); err != nil {
			return "", false, err
		}
		if err := between.join(ctx); err != nil {
			return "", false, err
		}
	}
	return generator.verdict(ctx, d.traces)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (d *delivery) startJaeger(ctx context.Context) (p *process, otlp, query string, err error) {
	otlp, query = freeAddress(ctx), freeAddress(ctx)
	p = launch(ctx, []string{
		"JAEGER_OTLP_HTTP=" + otlp, "JAEGER_OTLP_GRPC=" + freeAddress(ctx), "JAEGER_QUERY_HTTP=" + query, "JAEGER_QUERY_GRPC=" + freeAddress(ctx),
		"JAEGER_HEALTH=" + freeAddress(ctx), "JAEGER_PROMETHEUS=http://" + freeAddress(ctx), "JAEGER_MAX_TRACES=" + strconv.Itoa(2*d.traces),
		"OTEL_TRACES_SAMPLER=always_off",
	}, d.jaeger, "--config", "../../deploy/jaeger.yaml")
	return p, otlp, query, p.listens(ctx, otlp)
}

// collectorAt returns how to start a collector that receives at one address and
// forwards to another.
func collectorAt(ctx context.Context, binary, dir, receiver, to string) (start func() (*process, error), err error) {
	file := filepath.Join(dir, "collector.yaml")
	text := fmt.Sprintf(`
receive:
  otlp:
    grpc: {address: "off"}
    http: {address: %q}
  jaeger:
    thrift_compact: {address: "off"}
    thrift_binary: {address: "off"}
    thrift_http: {address: "off"}
    grpc: {address: "off"}
    sampling: {address: "off"}
  zipkin: {address: "off"}
  loki: {address: "off"}
journal: {dir: %q}
derive: {address: "off"}
export:
  traces: {endpoint: "http://%s"}
admin: {address: "127.0.0.1:0"}
`, receiver, filepath.Join(dir, "journal"), to)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return func() (*process, error) {
		p := launch(ctx, nil, binary, "--config", file)
		return p, p.listens(ctx, receiver)
	}, nil
}

// freeAddress is one that nobody listens at.
func freeAddress(ctx context.Context) string {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "127.0.0.1:0"
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// process is a program that runs.
type process struct {
	cmd    *exec.Cmd
	output bytes.Buffer // to be read once it has exited
	exited chan struct{}
	err    error
}

func launch(ctx context.Context, environment []string, binary string, args ...string) *process {
	p := &process{cmd: exec.CommandContext(ctx, binary, args...), exited: make(chan struct{})} //nolint:gosec // the programs are those of this bench
	p.cmd.Env = append(os.Environ(), environment...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	if p.err = p.cmd.Start(); p.err != nil {
		close(p.exited)
		return p
	}
	go func() {
		defer close(p.exited)
		p.err = p.cmd.Wait()
	}()
	return p
}

// listens waits until somebody takes connections at an address.
func (p *process) listens(ctx context.Context, address string) error {
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s has ended: %w\n%s", p.cmd.Path, p.err, p.output.Bytes())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *process) kill() {
	if p.cmd.Process != nil {
		_ = p.cmd.Process.Kill() // it may have ended
	}
	<-p.exited
}

var asked = regexp.MustCompile(`(?m)^(\d+) traces asked for in .*: \d+ whole, (\d+) missing, (\d+) incomplete, \d+ duplicate, (\d+) altered$`)

// verdict waits for the generator and reads what verify says. What was under
// way when the collector was killed may be there twice.
func (p *process) verdict(ctx context.Context, traces int) (text string, good bool, err error) {
	select {
	case <-p.exited:
	case <-ctx.Done():
		return "", false, ctx.Err()
	}
	found := asked.FindStringSubmatch(p.output.String())
	if found == nil {
		return "", false, fmt.Errorf("tracegen: %w\n%s", p.err, p.output.Bytes())
	}
	good = found[1] == strconv.Itoa(traces) && found[2] == "0" && found[3] == "0" && found[4] == "0"
	return found[0], good, nil
}
