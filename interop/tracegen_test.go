package interop

import (
	"fmt"
	"regexp"
	"testing"
	"time"
)

// TestTracegenFindsEachTraceInJaeger has tracegen send through the collector
// and ask Jaeger for each trace. In the first run nothing happens; in the
// second the collector is killed and started again while traces come, and
// Jaeger is there only after that.
func TestTracegenFindsEachTraceInJaeger(t *testing.T) {
	t.Run("undisturbed", func(t *testing.T) {
		j := newJaeger(t, "http://"+freeAddress(t))
		receiver, start := tracegenCollector(t, j)
		start()
		j.start(t)
		run := launch(t, nil, buildCommand(t, "tracegen"), "--endpoint", receiver, "--rate", "0", "--traces", "3000",
			"--verify", j.query, "--verify-wait", patience.String(), "--quiet")
		wantWhole(t, run, 3000, true)
	})
	t.Run("killed", func(t *testing.T) {
		j := newJaeger(t, "http://"+freeAddress(t))
		receiver, start := tracegenCollector(t, j)
		collector := start()
		run := launch(t, nil, buildCommand(t, "tracegen"), "--endpoint", receiver, "--rate", "300", "--traces", "1800",
			"--verify", j.query, "--verify-wait", patience.String())
		eventually(t, "a thousand traces are acknowledged", func() error {
			if !regexp.MustCompile(`s  1\d{3} traces`).MatchString(run.output.text()) {
				return fmt.Errorf("tracegen says %s", run.output.tail(1))
			}
			return run.running()
		})
		collector.kill()
		start()
		j.start(t)
		wantWhole(t, run, 1800, false)
	})
}

// tracegenCollector configures a collector that forwards to Jaeger. It returns
// where it receives, and how to start it.
func tracegenCollector(t *testing.T, j jaeger) (receiver string, start func() *program) {
	t.Helper()
	otlp, admin := freeAddress(t), freeAddress(t)
	config := writeFile(t, "collector.yaml", fmt.Sprintf(`
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
  traces: {endpoint: %q}
admin: {address: %q}
`, otlp, t.TempDir(), j.otlp, admin))
	path := buildCommand(t, "collector")
	return "http://" + otlp, func() *program {
		p := launch(t, nil, path, "--config", config)
		eventually(t, "the collector is there", func() error {
			if err := p.running(); err != nil {
				t.Fatal(err)
			}
			return alive(t, "http://"+admin+"/livez")
		})
		return p
	}
}

// wantWhole waits for tracegen and reads its verdict: no trace is missing, and
// none incomplete or altered. What was under way when the collector was killed
// may be there twice, unless once is wanted.
func wantWhole(t *testing.T, run *program, traces int, once bool) {
	t.Helper()
	select {
	case <-run.exited:
	case <-time.After(3 * patience):
		t.Fatal("tracegen goes on")
	}
	verdict := fmt.Sprintf(`(?m)^%d traces asked for in .*: \d+ whole, 0 missing, 0 incomplete, \d+ duplicate, 0 altered$`, traces)
	if !regexp.MustCompile(verdict).MatchString(run.output.text()) {
		t.Errorf("tracegen says\n%s", run.output.tail(20))
	}
	if status := run.cmd.ProcessState.ExitCode(); once && status != 0 {
		t.Errorf("tracegen exits with %d", status)
	}
}
