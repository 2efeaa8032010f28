package export

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal"
)

// TestABackendThatRefusesEverything is down: nothing is lost, nothing is set
// aside, and all of it is delivered once when it is back.
func TestABackendThatRefusesEverything(t *testing.T) {
	for _, code := range []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusInternalServerError} {
		t.Run(http.StatusText(code), func(t *testing.T) {
			testRefusesEverything(t, newRig(t), exporttest.Answer{Status: code})
		})
	}
	for _, code := range []codes.Code{codes.InvalidArgument, codes.Internal, codes.ResourceExhausted} {
		t.Run(code.String(), func(t *testing.T) {
			testRefusesEverything(t, newRigWith(t, GRPC, exporttest.NewGRPC(t)), exporttest.Answer{GRPC: status.New(code, "no")})
		})
	}
}

func testRefusesEverything(t *testing.T, r *rig, no exporttest.Answer) {
	t.Helper()
	r.backend.Decide(func(exporttest.Request) exporttest.Answer { return no })
	var want []string
	more := func(n int) {
		for range n {
			want = append(want, fmt.Sprintf("%04d", len(want)))
			r.append(want[len(want)-1])
		}
	}
	more(3 * maxSuspects)
	r.start()
	r.backend.Wait(t, "attempts", func() bool { return r.backend.Refused() > 4*maxSuspects })
	more(10)
	r.stop() // A restart knows nothing of what was suspected.
	r.start()
	r.backend.Wait(t, "more attempts", func() bool { return r.backend.Refused() > 7*maxSuspects })
	got := r.running.Status()[0]
	if got.FailingSince.IsZero() || got.Oldest.IsZero() || got.LastError == "" {
		t.Errorf("while it refuses everything: %+v", got)
	}
	if cursor := r.journal.Stats().Cursors["export-traces"]; cursor != 0 {
		t.Errorf("the cursor is at %d", cursor)
	}
	r.backend.Up()
	more(10)
	r.waitCommitted()
	names := r.names()
	slices.Sort(names)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if set, dropped := r.items("dead_lettered"), r.items("dropped"); set != 0 || dropped != 0 {
		t.Errorf("%v set aside and %v dropped", set, dropped)
	}
	if got := r.running.Status()[0]; !got.FailingSince.IsZero() || !got.Oldest.IsZero() {
		t.Errorf("when it is back: %+v", got)
	}
}

// TestABackendThatRefusesWhatIsOld has more of it than is ever suspected at a time,
// as after an outage.
func TestABackendThatRefusesWhatIsOld(t *testing.T) {
	for _, code := range []int{http.StatusBadRequest, http.StatusInternalServerError} {
		r := newRig(t)
		r.cfg.Traces[0].MaxBatchBytes = 1000
		r.backend.Decide(func(request exporttest.Request) exporttest.Answer {
			if strings.Contains(string(request.Body), "bad-") {
				return exporttest.Answer{Status: code}
			}
			return exporttest.Answer{}
		})
		const old = maxSuspects + 5
		for i := range old {
			r.append(fmt.Sprintf("bad-%d", i))
		}
		var good []string
		r.start()
		r.eventually("all is delivered", func() bool { // While more comes in, now and then.
			stats := r.journal.Stats()
			if end := stats.Cursors["export-traces"] == stats.End; end || len(r.names()) < len(good) {
				return end
			}
			good = append(good, fmt.Sprintf("good-%03d", len(good)))
			r.append(good[len(good)-1])
			return false
		})
		names := r.names()
		slices.Sort(names)
		if diff := cmp.Diff(good, names); diff != "" {
			t.Error(diff)
		}
		if got := r.items("dead_lettered"); got != old {
			t.Errorf("%d: %v set aside, want %d", code, got, old)
		}
		r.stop()
	}
}

// TestABackendThatBreaksInTheMiddle fails over a batch, takes a half of it, and
// then nothing for a while: what it fails over then is not to blame.
func TestABackendThatBreaksInTheMiddle(t *testing.T) {
	r := newRig(t)
	failures := 0
	r.backend.Decide(func(request exporttest.Request) exporttest.Answer {
		if strings.Contains(string(request.Body), "a") && !strings.Contains(string(request.Body), "b") {
			return exporttest.Answer{}
		}
		if failures++; failures > 50 {
			return exporttest.Answer{}
		}
		return exporttest.Answer{Status: http.StatusInternalServerError}
	})
	r.append("a")
	r.append("b")
	r.append("c")
	r.append("d")
	r.start()
	r.eventually("all are there", func() bool { return len(r.names()) == 4 })
	r.waitCommitted()
	if got := r.items("dead_lettered"); got != 0 {
		t.Errorf("%v set aside", got)
	}
}

// refuser takes nothing until then.
type refuser struct {
	listener

	until time.Time
	say   answer
	asked int
}

func (r *refuser) send(ctx context.Context) answer {
	if r.asked++; time.Now().Before(r.until) {
		return r.say
	}
	return r.listener.send(ctx)
}

// TestAnHourOfRefusals has the patience that there is outside of tests.
func TestAnHourOfRefusals(t *testing.T) {
	for _, say := range []answer{{verdict: refused, reason: "400"}, {verdict: unsure, reason: "500"}} {
		d := DefaultDestination()
		d.Endpoint = "http://localhost:1"
		backend := &refuser{say: say}
		synctest.Test(t, func(t *testing.T) {
			backend.until = time.Now().Add(time.Hour)
			run := newRun(t, d, backend)
			for i := range 100 {
				run.append(fmt.Sprintf("%c", 'A'+i%50))
			}
			time.Sleep(time.Hour + 10*time.Second)
			synctest.Wait()
			if took := time.Since(backend.until); backend.asked > 3000 || len(backend.sent) == 0 {
				t.Errorf("%s: asked %d times in an hour; %v after it: %v", say.reason, backend.asked, took, backend.sent)
			}
			run.stop()
		})
		sent := ""
		for _, request := range backend.sent {
			sent += request[strings.LastIndex(request, " ")+1:]
		}
		if len(sent) != 100 {
			t.Errorf("%s: %d of 100 records sent: %s", say.reason, len(sent), sent)
		}
	}
}

// TestASuspectHoldsTheCursor until it is known who is to blame.
func TestASuspectHoldsTheCursor(t *testing.T) {
	r := newRig(t)
	r.backend.Decide(refuseBad)
	r.append("bad-1")
	r.start()
	r.eventually("it is refused a few times", func() bool { return r.backend.Refused() > 3 })
	if got := r.items("dead_lettered"); got != 0 || r.journal.Stats().Cursors["export-traces"] != 0 {
		t.Errorf("%v set aside, cursors %v", got, r.journal.Stats().Cursors)
	}
	if since := r.running.Status()[0].FailingSince; since.IsZero() {
		t.Error("it does not fail")
	}
	r.append("a")
	r.waitCommitted()
	if got := r.items("dead_lettered"); got != 1 {
		t.Errorf("%v set aside", got)
	}
	if since := r.running.Status()[0].FailingSince; !since.IsZero() {
		t.Errorf("it fails since %v", since)
	}
	if offsets := r.journal.Stats(); offsets.Cursors["export-traces"] != offsets.End {
		t.Errorf("%+v", offsets)
	}
	var none journal.Offset
	if got := (&doubts{}).hold(none + 7); got != 7 {
		t.Errorf("no suspects hold at %d", got)
	}
}
