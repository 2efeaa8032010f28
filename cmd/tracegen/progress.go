package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/waybill-dev/waybill/tracegen"
)

// progress tells how a run goes on: on a terminal by one line with a bar, which
// is written over; elsewhere by a line each second.
type progress struct {
	to io.Writer
	// width is how many letters a line has; nil is no terminal.
	width    func() int
	traces   uint64
	duration time.Duration
	drawn    bool
}

// newProgress looks whether to is a terminal.
func newProgress(to io.Writer, cfg tracegen.Config) *progress {
	p := &progress{to: to, traces: cfg.Traces, duration: cfg.Duration}
	if file, ok := to.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		p.width = func() int {
			width, _, err := term.GetSize(int(file.Fd()))
			if err != nil || width <= 0 { // some terminals do not know
				return 80
			}
			return width
		}
	}
	return p
}

// tell is called about once a second.
func (p *progress) tell(r tracegen.Report) {
	if p.width == nil {
		fmt.Fprintln(p.to, r.Line())
		return
	}
	p.drawn = true
	fmt.Fprint(p.to, "\r"+p.bar(r, p.width()-1)+"\x1b[K") // what is left of a longer line is erased
}

// end makes room for what comes after the bar.
func (p *progress) end() {
	if p.drawn {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}

// done is the share of the run that is over; whichever limit is nearer.
func (p *progress) done(r tracegen.Report) float64 {
	done := 0.0
	if p.traces > 0 {
		done = float64(r.Made.Traces) / float64(p.traces)
	}
	if p.duration > 0 {
		done = max(done, r.Elapsed.Seconds()/p.duration.Seconds())
	}
	return min(done, 1)
}

// The bar has so many letters at least and at most; without room for that it
// is left out.
const (
	leastBar = 8
	mostBar  = 40
)

// bar is the line of so many letters.
func (p *progress) bar(r tracegen.Report, width int) string {
	text := fmt.Sprintf(" %3.0f %%  %.0fs  %d traces  %.0f spans/s  p99 %v", p.done(r)*100, r.Elapsed.Seconds(),
		r.Acknowledged.Traces, r.SpansPerSecond(), r.P99.Round(100*time.Microsecond))
	if n := r.Rejected.Spans + r.Failed.Spans; n > 0 {
		text += fmt.Sprintf("  %d spans lost", n)
	}
	if r.Retries > 0 {
		text += fmt.Sprintf("  %d retries", r.Retries)
	}
	room := min(width-len(text)-2, mostBar)
	if room < leastBar {
		text = strings.TrimSpace(text)
		return text[:max(min(len(text), width), 0)]
	}
	full := int(p.done(r) * float64(room))
	return "[" + strings.Repeat("=", full) + strings.Repeat(" ", room-full) + "]" + text
}
