package sample

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// Decisions are written down in a journal of their own, so that a sampler that
// was killed knows which of the spans it reads again it has dealt with. As in
// every journal, a record is an encoded ExportTraceServiceRequest: one
// ResourceSpans with one ScopeSpans, and in it a span for each decision:
//
//	bytes trace_id = 1;
//	string trace_state = 3;            ot=th:…: kept, with that threshold; none: dropped
//	fixed64 start_time_unix_nano = 7;  the offset before which its spans are dealt with

// appendDecision appends one of those spans.
func appendDecision(dst []byte, id wire.TraceID, d decision) []byte {
	var state []byte
	if d.keep {
		state = appendHexadecimal([]byte("ot=th:"), d.threshold)
	}
	span := appendBytes(nil, 1, id[:])
	if state != nil {
		span = appendBytes(span, 3, state)
	}
	span = protowire.AppendTag(span, 7, protowire.Fixed64Type)
	span = protowire.AppendFixed64(span, uint64(d.through))
	return appendBytes(dst, 2, span)
}

// decisionsRequest puts spans into a request.
func decisionsRequest(spans []byte) []byte {
	return appendBytes(nil, 1, appendBytes(nil, 2, spans))
}

func appendBytes(dst []byte, num protowire.Number, content []byte) []byte {
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	return protowire.AppendBytes(dst, content)
}

// recallWait is how long recall waits for records that may be damaged, and then
// never come: those that are there come at once.
const recallWait = 10 * time.Second

// next gives no records and no error where there are no more.
func next(ctx context.Context, reader journal.Reader) ([]journal.Record, error) {
	waiting, cancel := context.WithTimeout(ctx, recallWait)
	defer cancel()
	records, err := reader.Next(waiting, handBytes)
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return nil, nil
	}
	return records, err
}

// recall fills the memory with what is written down. Decisions about offsets
// that the journal in question does not have yet are of another journal.
func recall(ctx context.Context, written journal.Journal, end journal.Offset, m *remembered) (err error) {
	stats := written.Stats()
	if stats.Oldest == stats.End {
		return nil
	}
	reader, err := written.Reader("")
	if err != nil {
		return fmt.Errorf("decisions: %w", err)
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for {
		records, err := next(ctx, reader)
		if err == nil && records == nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("decisions: %w", err)
		}
		for i := range records {
			err = errors.Join(err, wire.WalkSpans(records[i].Payload, func(_ *wire.Resource, _ *wire.Scope, s *wire.Span) error {
				th, kept := hexadecimal(field(s.TraceState, "th"))
				if through := journal.Offset(s.Start); through <= end {
					m.put(s.TraceID, decision{verdict: verdict{keep: kept, threshold: th.value}, through: through})
				}
				return nil
			}))
		}
		if err != nil {
			return fmt.Errorf("decisions: %w", err)
		}
		if records[len(records)-1].Next >= stats.End {
			return nil
		}
	}
}
