package receive

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// moodyJournal is full now and then, and slow now and then.
type moodyJournal struct {
	journal.Journal

	calls atomic.Int64
}

func (j *moodyJournal) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	switch n := j.calls.Add(1); {
	case n%7 == 0:
		return 0, journal.ErrFull
	case n%5 == 0:
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return j.Journal.Append(ctx, signal, items, payload)
}

// TestClientsWithoutManners has grpc-go's clients give up, run out of time, send
// too much and leave streams half open, all at once: what was acknowledged is
// stored, nobody is told that it is to blame for what it is not, and in the end
// nothing is charged.
func TestClientsWithoutManners(t *testing.T) {
	const clients, each = 8, 16
	kept := memory.New(memory.Config{MaxBytes: 1 << 30})
	cfg := testConfig()
	cfg.MaxRequestBytes, cfg.MaxInflightBytes = 256<<10, 1<<20
	in := testIntake(t, cfg, &moodyJournal{Journal: kept})
	s := serveCallsAlone(t, in, in.callBounds(overGRPC))
	var acknowledged sync.Map
	var sending sync.WaitGroup
	for n := range clients {
		sending.Go(func() {
			conn, err := grpc.NewClient(s.addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			for i := range each {
				name := fmt.Sprintf("client-%d-%d", n, i)
				switch err := rudely(t.Context(), conn, name); status.Code(err) {
				case codes.OK:
					acknowledged.Store(name, true)
				case codes.Unavailable, codes.Canceled, codes.DeadlineExceeded, codes.ResourceExhausted:
				default:
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	sending.Wait()
	waitUntil(t, "nothing is charged any more", func() bool { return in.budget.used.Load() == 0 })

	stored := map[string]bool{}
	for _, record := range records(t, kept) {
		var request coltrace.ExportTraceServiceRequest
		if err := proto.Unmarshal(record.Payload, &request); err != nil {
			t.Error(err)
		}
		stored[request.ResourceSpans[0].Resource.Attributes[0].Value.GetStringValue()] = true
	}
	count := 0
	acknowledged.Range(func(name, _ any) bool {
		if count++; !stored[name.(string)] {
			t.Errorf("%v was acknowledged, and is not stored", name)
		}
		return true
	})
	if count < clients {
		t.Errorf("of %d requests %d were acknowledged", clients*each, count)
	}
}

// rudely sends one request in one of several ways; its error is the call's.
func rudely(ctx context.Context, conn *grpc.ClientConn, name string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	soon := time.Duration(rand.N(3000)) * time.Microsecond
	message := traceRequest(1 + rand.N(200))
	message.ResourceSpans[0].Resource = service(name)
	var options []grpc.CallOption
	switch rand.N(8) {
	case 0:
		ctx, cancel = context.WithTimeout(ctx, soon)
		defer cancel()
	case 1:
		defer time.AfterFunc(soon, cancel).Stop()
	case 2:
		message.ResourceSpans[0].SchemaUrl = strings.Repeat("x", 200<<10+rand.N(100<<10))
	case 3:
		options = append(options, grpc.UseCompressor(gzip.Name))
	case 4:
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, traceMethod)
		if err == nil {
			_ = stream.SendMsg(message)
		}
		return status.FromContextError(context.Canceled).Err() // By leaving.
	}
	_, err := coltrace.NewTraceServiceClient(conn).Export(ctx, message, options...)
	return err
}
