package interop

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// TestTracegenFindsEachTraceInJaeger has tracegen send through the collector
// and ask Jaeger for each trace. In the first run nothing happens. In the second
// Jaeger is down for some seconds while traces come, and the collector is killed
// and started again before, meanwhile and after. bench/tracegen has the same
// with a hundred thousand traces.
func TestTracegenFindsEachTraceInJaeger(t *testing.T) {
	t.Run("undisturbed", func(t *testing.T) {
		j := newJaeger(t, "http://"+freeAddress(t))
		j.start(t)
		receiver, start := tracegenCollector(t, j.otlp)
		start()
		run := launch(t, nil, buildCommand(t, "tracegen"), "--endpoint", receiver, "--rate", "0", "--traces", "3000",
			"--verify", j.query, "--verify-wait", patience.String(), "--quiet")
		wantWhole(t, run, 3000, true)
	})
	t.Run("disturbed", func(t *testing.T) {
		j := newJaeger(t, "http://"+freeAddress(t))
		j.start(t)
		between := newRelay(t, j.otlp)
		receiver, start := tracegenCollector(t, "http://"+between.address)
		collector := start()
		run := launch(t, nil, buildCommand(t, "tracegen"), "--endpoint", receiver, "--rate", "300", "--traces", "2700",
			"--verify", j.query, "--verify-wait", patience.String())
		for _, event := range []struct {
			after  int // acknowledged traces
			happen func()
		}{
			{300, func() { collector.kill(); collector = start() }},
			{700, between.cut},
			{1100, func() { collector.kill(); collector = start() }},
			{1700, func() { between.join(t) }},
			{2100, func() { collector.kill(); collector = start() }},
		} {
			eventually(t, fmt.Sprintf("%d traces are acknowledged", event.after), func() error {
				if err := run.running(); err != nil {
					t.Fatal(err)
				}
				if got := acknowledged(run); got < event.after {
					return fmt.Errorf("%d are", got)
				}
				return nil
			})
			event.happen()
		}
		wantWhole(t, run, 2700, false)
	})
}

// acknowledged is the number of traces in what tracegen has said last: of its
// progress, or at the end.
func acknowledged(run *program) int {
	told := regexp.MustCompile(`s  (\d+) traces  |(?m:^ *acknowledged +\d+ +(\d+) )`).FindAllStringSubmatch(run.output.text(), -1)
	if len(told) == 0 {
		return 0
	}
	last := told[len(told)-1]
	count, err := strconv.Atoi(last[1] + last[2])
	if err != nil {
		return 0 // it does not fit
	}
	return count
}

// tracegenCollector configures a collector that forwards to a URL. It returns
// where it receives, and how to start it.
func tracegenCollector(t *testing.T, to string) (receiver string, start func() *program) {
	t.Helper()
	otlp, journal := freeAddress(t), t.TempDir()
	return "http://" + otlp, func() *program {
		return startCollectorOn(t, journal, fmt.Sprintf("{address: %q}", otlp), fmt.Sprintf(`
derive: {address: "off"}
export:
  traces: {endpoint: %q}
`, to))
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
