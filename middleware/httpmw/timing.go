package httpmw

import (
	"strconv"
	"time"
)

// serverTimingHeader is read by browsers, which show it, and have scripts read
// it.
const serverTimingHeader = "Server-Timing"

// time adds Server-Timing to the head of the response, beside what the handler
// has put there, when it is about to be sent. The trace is told as the scripts
// that watch users have come to read it.
func (x *exchange) time() {
	if !x.server.serverTiming || x.timed {
		return
	}
	x.timed = true
	values := make([]string, 0, 2)
	if x.told[1] != "" {
		values = append(values, `traceparent;desc="`+x.told[1]+`"`)
	}
	milliseconds := float64(time.Since(x.began)) / float64(time.Millisecond)
	values = append(values, "handler;dur="+strconv.FormatFloat(milliseconds, 'f', 3, 64))
	header := x.w.Header()
	header[serverTimingHeader] = append(values, header[serverTimingHeader]...)
}
