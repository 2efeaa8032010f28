package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/tracegen"
)

func TestTheBarFits(t *testing.T) {
	r := tracegen.Report{Elapsed: 5 * time.Second, P99: 12345 * time.Microsecond}
	r.Made.Traces, r.Acknowledged.Traces, r.Acknowledged.Spans = 250, 240, 7000
	for _, test := range []struct {
		traces   uint64
		duration time.Duration
		width    int
		want     string
	}{
		{1000, 0, 80, "[=======                       ]  25 %  5s  240 traces  1400 spans/s  p99 12.3ms"},
		{1000, 10 * time.Second, 80, "[===============               ]  50 %  5s  240 traces  1400 spans/s  p99 12.3ms"},
		{100, 0, 60, "[==========] 100 %  5s  240 traces  1400 spans/s  p99 12.3ms"},
		{1000, 0, 40, "25 %  5s  240 traces  1400 spans/s  p99 "},
		{1000, 0, 0, ""},
	} {
		p := &progress{traces: test.traces, duration: test.duration}
		if got := p.bar(r, test.width); got != test.want || len(got) > test.width {
			t.Errorf("%d letters:\n%q\nwant\n%q", test.width, got, test.want)
		}
	}
}

func TestProgressOnATerminalIsOneLine(t *testing.T) {
	var out bytes.Buffer
	p := &progress{to: &out, width: func() int { return 60 }, duration: time.Minute}
	p.tell(tracegen.Report{Elapsed: time.Second})
	p.tell(tracegen.Report{Elapsed: 2 * time.Second})
	p.end()
	if got := out.String(); strings.Contains(got, "\n") || strings.Count(got, "\r") != 3 || !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("written: %q", got)
	}
	out.Reset()
	p = newProgress(&out, tracegen.DefaultConfig())
	p.tell(tracegen.Report{Elapsed: time.Second})
	p.end()
	if got := out.String(); strings.Count(got, "\n") != 1 || strings.ContainsAny(got, "\r\x1b") {
		t.Errorf("written elsewhere: %q", got)
	}
}
