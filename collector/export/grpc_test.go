package export

import (
	"fmt"
	"strings"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/waybill-dev/waybill/collector/export/exporttest"
	"github.com/waybill-dev/waybill/collector/journal"
)

func withRetryInfo(t *testing.T, code codes.Code, wait time.Duration) *status.Status {
	t.Helper()
	s, err := status.New(code, "not now").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestJudgeStatus(t *testing.T) {
	want := map[verdict][]codes.Code{
		accepted: {codes.OK},
		later: {
			codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss,
			codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented, codes.NotFound,
		},
		refused: {codes.InvalidArgument, codes.FailedPrecondition, codes.AlreadyExists, codes.ResourceExhausted, 99},
		unsure:  {codes.Unknown, codes.Internal},
	}
	for verdict, all := range want {
		for _, code := range all {
			if got := judgeStatus(status.New(code, "")); got.verdict != verdict || got.wait != 0 {
				t.Errorf("judgeStatus(%v) = %+v, want %v", code, got, verdict)
			}
		}
	}
	for wait, want := range map[time.Duration]time.Duration{-time.Second: 0, 0: 0, 3 * time.Second: 3 * time.Second, time.Hour: maxRetryAfter} {
		for _, code := range []codes.Code{codes.Unavailable, codes.ResourceExhausted} {
			if got := judgeStatus(withRetryInfo(t, code, wait)); got.verdict != later || got.wait != want || got.silent || got.tooLarge {
				t.Errorf("judgeStatus(%v, %v) = %+v", code, wait, got)
			}
		}
	}
	if got := judgeStatus(status.New(codes.InvalidArgument, strings.Repeat("\xff", 1000))); len(got.reason) > 2*maxReason || !strings.HasPrefix(got.reason, "InvalidArgument: ?") {
		t.Errorf("reason %q", got.reason)
	}
}

func TestMethods(t *testing.T) {
	for signal, want := range map[journal.Signal]string{
		journal.Traces:  coltracepb.TraceService_Export_FullMethodName,
		journal.Metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
		journal.Logs:    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
	} {
		if got := method(signal); got != want {
			t.Errorf("method(%v) = %s, want %s", signal, got, want)
		}
	}
}

func TestGRPCRetriesUntilItIsTaken(t *testing.T) {
	for name, answer := range map[string]exporttest.Answer{
		"unavailable":     {HangUp: true},
		"unauthenticated": {GRPC: status.New(codes.Unauthenticated, "who are you")},
		"aborted":         {GRPC: status.New(codes.Aborted, "")},
		"exhausted":       {GRPC: withRetryInfo(t, codes.ResourceExhausted, time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRigWith(t, GRPC, exporttest.NewGRPC(t))
			r.backend.Decide(func(exporttest.Request) exporttest.Answer { return answer })
			r.append("a")
			r.start()
			r.backend.Wait(t, "attempts", func() bool { return r.backend.Refused() >= 5 })
			r.append("b")
			r.backend.Up()
			r.waitFor("a", "b")
			r.waitCommitted()
			if lost, retries := r.items("dead_lettered"), r.metric("retries_total"); lost != 0 || retries < 4 {
				t.Errorf("%v items set aside, %v retries", lost, retries)
			}
		})
	}
}

func TestRetryInfoIsObeyed(t *testing.T) {
	r := newRigWith(t, GRPC, exporttest.NewGRPC(t))
	var times []time.Time
	r.backend.Decide(func(exporttest.Request) exporttest.Answer {
		times = append(times, time.Now())
		if len(times) > 1 {
			return exporttest.Answer{}
		}
		return exporttest.Answer{GRPC: withRetryInfo(t, codes.Unavailable, time.Second)}
	})
	r.append("a")
	r.start()
	r.waitFor("a")
	if waited := times[1].Sub(times[0]); waited < time.Second {
		t.Errorf("came again after %v, was asked to wait for 1 s", waited)
	}
}

func TestGRPCPartialSuccess(t *testing.T) {
	for _, compression := range []Compression{NoCompression, Gzip, Zstd} {
		t.Run(string(compression), func(t *testing.T) {
			r := newRigWith(t, GRPC, protocols[GRPC](t, compression))
			r.cfg.Traces[0].Compression = compression
			r.partialSuccess()
		})
	}
}

// partialSuccess has an answer that is compressed as the request was.
func (r *rig) partialSuccess() {
	t := r.t
	t.Helper()
	partial, err := proto.Marshal(&coltracepb.ExportTraceServiceResponse{
		PartialSuccess: &coltracepb.ExportTracePartialSuccess{RejectedSpans: 2, ErrorMessage: "too old"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r.backend.Decide(func(exporttest.Request) exporttest.Answer { return exporttest.Answer{Body: partial} })
	r.append("a", "b", "c")
	r.start()
	r.waitCommitted()
	if sent, rejected := r.items("sent"), r.items("rejected"); sent != 1 || rejected != 2 {
		t.Errorf("%v sent, %v rejected; want 1 and 2", sent, rejected)
	}
	if got := r.running.Status()[0]; got.LastError != "too old" || got.LastErrorAt.IsZero() || !got.FailingSince.IsZero() {
		t.Errorf("status %+v", got)
	}
}

// TestAnswerThatCannotBeRead is of a request that was accepted all the same: to
// send it again would make a second one of it.
func TestAnswerThatCannotBeRead(t *testing.T) {
	for _, compression := range []Compression{Gzip, Zstd} {
		for _, answer := range []string{"\x1f\x8b", "garbage", ""} {
			if got := decompress(strings.NewReader(answer), compression); len(got) > 0 {
				t.Errorf("%s: %q is %q", compression, answer, got)
			}
			if _, err := (decompression{compression}).Do(strings.NewReader(answer)); err != nil {
				t.Errorf("%s: %q: %v", compression, answer, err)
			}
		}
	}
	r := newRigWith(t, GRPC, exporttest.NewGRPC(t))
	r.backend.Decide(func(exporttest.Request) exporttest.Answer { return exporttest.Answer{Body: []byte("\xff\xff")} })
	r.append("a")
	r.start()
	r.waitCommitted()
	if got := len(r.backend.Taken("")); got != 1 {
		t.Errorf("sent %d times", got)
	}
}

// TestDefaultBatchesFitAGRPCServer has a server that nobody has told how much
// to take, and more than that waiting for it.
func TestDefaultBatchesFitAGRPCServer(t *testing.T) {
	r := newRigWith(t, GRPC, exporttest.NewGRPC(t))
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprintf("%0100000d", i))
		r.append(want[i])
	}
	r.start()
	r.waitFor(want...)
	if got := r.backend.Refused(); got > 0 {
		t.Errorf("%d requests refused", got)
	}
	if got := len(r.backend.Taken("")); got > 10 {
		t.Errorf("%d requests for 10 MB", got)
	}
}

// TestBatchesLearnTheirSize has servers that take less than what waits.
func TestBatchesLearnTheirSize(t *testing.T) {
	const most = 200 << 10
	small := exporttest.New(t)
	small.Decide(func(r exporttest.Request) exporttest.Answer {
		if len(r.Body) > most {
			return exporttest.Answer{Status: 413}
		}
		return exporttest.Answer{}
	})
	for protocol, backend := range map[Protocol]*exporttest.Backend{
		HTTP: small,
		GRPC: exporttest.NewGRPC(t, grpc.MaxRecvMsgSize(most)),
	} {
		t.Run(string(protocol), func(t *testing.T) {
			r := newRigWith(t, protocol, backend)
			r.cfg.Traces[0].Compression = NoCompression
			var want []string
			fill := func() {
				for i := range 100 {
					want = append(want, fmt.Sprintf("%010000d", i))
					r.append(want[len(want)-1])
				}
			}
			fill()
			r.start()
			r.waitFor(want...)
			r.waitCommitted()
			refused := r.metric("request_duration_seconds", "result", "refused")
			fill()
			r.waitFor(want...)
			r.waitCommitted()
			if again := r.metric("request_duration_seconds", "result", "refused"); refused == 0 || again != refused {
				t.Errorf("%v requests were too large at first, and %v in all", refused, again)
			}
			if lost := r.items("dead_lettered"); lost != 0 {
				t.Errorf("%v items set aside", lost)
			}
			if got := strings.Count(r.log.String(), "batches become smaller"); got < 1 || got > 5 {
				t.Errorf("logged %d times:\n%s", got, r.log)
			}
		})
	}
}

// TestGRPCOnlyTheBadRecordIsSetAside is the same over gRPC as over HTTP.
func TestGRPCOnlyTheBadRecordIsSetAside(t *testing.T) {
	for _, code := range []codes.Code{codes.InvalidArgument, codes.Internal} {
		t.Run(code.String(), func(t *testing.T) {
			r := newRigWith(t, GRPC, exporttest.NewGRPC(t))
			r.backend.Decide(func(request exporttest.Request) exporttest.Answer {
				if strings.Contains(string(request.Body), "bad-") {
					return exporttest.Answer{GRPC: status.New(code, "I want none of it")}
				}
				return exporttest.Answer{}
			})
			r.append("a")
			r.append("bad-1", "bad-2")
			r.append("b")
			r.start()
			r.waitFor("a", "b")
			r.waitCommitted()
			if got := r.items("dead_lettered"); got != 2 {
				t.Errorf("%v items set aside, want 2", got)
			}
		})
	}
}
