package export

import (
	"context"
	"fmt"
	"strings"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
)

const (
	userAgent = "waybill-collector"
	// maxAnswer bounds what is read of an answer, in bytes.
	maxAnswer = 64 << 10
	// maxReason bounds what is told of an answer, in bytes.
	maxReason = 256
	// pingAfter and pingTimeout find out that the peer of a connection is gone
	// without having said so.
	pingAfter   = 20 * time.Second
	pingTimeout = 10 * time.Second
)

// client brings batches to one backend. It is used by one goroutine.
type client interface {
	// load makes the records, laid end to end, what is sent. They must stay as
	// they are until release has returned.
	load(records []journal.Record) error
	// send sends what was loaded, once. No error of the network, or of time,
	// tells anything about the data.
	send(ctx context.Context) answer
	// release ends the use of what was loaded.
	release()
	close()
}

// answer is how one attempt ended.
type answer struct {
	verdict verdict
	// silent says that nobody answered: there is no connection, or not in time.
	silent bool
	// tooLarge says that a smaller request may be taken.
	tooLarge bool
	// wait is how long the backend asks to be left alone; zero says nothing.
	wait time.Duration
	// rejected counts the items that the backend did not take of an accepted
	// request.
	rejected uint64
	// reason says why something was not taken.
	reason string
}

func newClient(d Destination, signal journal.Signal) (client, error) {
	switch d.Protocol {
	case HTTP:
		return newHTTPClient(d, signal)
	case GRPC:
		return newGRPCClient(d, signal)
	}
	return nil, fmt.Errorf("protocol %q is unknown", d.Protocol)
}

// acceptance reads the response of a request that was accepted, perhaps in
// part. The three signals' differ in names only.
func acceptance(response []byte) answer {
	a := answer{verdict: accepted}
	var success coltracepb.ExportTraceServiceResponse
	if proto.Unmarshal(response, &success) == nil {
		partial := success.GetPartialSuccess()
		a.rejected = uint64(max(partial.GetRejectedSpans(), 0))
		a.reason = clip(partial.GetErrorMessage())
	}
	return a
}

func clip(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > maxReason {
		text = text[:maxReason] + "…"
	}
	return strings.ToValidUTF8(text, "?")
}
