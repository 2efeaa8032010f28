package receive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// intake brings requests of all transports into the journal. It is safe for
// concurrent use.
type intake struct {
	journal  journal.Journal
	budget   *budget
	blocks   blocks
	decoders *decoders
	limit    int64 // of one request, after decompression
	pace     pace
	meters   *meters
	logger   *slog.Logger
	failing  atomic.Bool // the journal has refused for a reason of its own
	panicked atomic.Bool // a translator has
}

func newIntake(cfg Config, j journal.Journal, reg prometheus.Registerer, logger *slog.Logger) (*intake, error) {
	in := &intake{
		journal:  j,
		budget:   &budget{max: cfg.MaxInflightBytes},
		decoders: newDecoders(cfg.MaxRequestBytes),
		limit:    cfg.MaxRequestBytes,
		pace:     pace{rate: float64(cfg.MinRateBytes), slow: cfg.SlowAfter},
		logger:   logger,
	}
	var err error
	in.meters, err = newMeters(reg, in.budget)
	return in, err
}

// request is one export request as its transport describes it.
type request struct {
	signal      journal.Signal
	compression compression
	json        bool
	// translate is set for a protocol other than OTLP.
	translate translator
	// length is how many bytes the body has; negative when nobody knows yet.
	length int64
}

// receipt says what the journal has taken of a request.
type receipt struct {
	// rejected counts spans that were left out because they have no ids.
	rejected int
}

func (r receipt) outcome() outcome {
	if r.rejected > 0 {
		return outcomePartial
	}
	return outcomeAccepted
}

// message tells the sender why items were rejected.
func (r receipt) message() string {
	return fmt.Sprintf("%d spans have no valid trace id and span id", r.rejected)
}

// accept reads a request, and returns without an error when the journal has
// all of it that is not rejected. All memory is charged to the budget before it
// is used, and given back before accept returns.
func (in *intake) accept(ctx context.Context, req request, body io.Reader) (receipt, error) {
	held := lease{budget: in.budget}
	defer held.release()
	sent := buffer{blocks: &in.blocks, lease: &held}
	defer sent.free()
	if err := in.read(&sent, req, body); err != nil {
		return receipt{}, err
	}
	return in.take(ctx, req, &sent)
}

// take is accept for a request that is all here. What it was sent as may be
// gone afterwards.
func (in *intake) take(ctx context.Context, req request, sent *buffer) (receipt, error) {
	held := sent.lease
	plain := *sent
	if req.compression != identity {
		plain = buffer{blocks: &in.blocks, lease: held}
		defer plain.free()
		if err := in.decoders.expand(ctx, req.compression, &plain, sent.bytes()); err != nil {
			return receipt{}, err
		}
		sent.free()
	}
	payload := plain.bytes()
	var err error
	switch {
	case req.translate != nil:
		payload, err = in.translate(held, req.translate, payload)
	case req.json:
		payload, err = in.fromJSON(held, req.signal, payload)
	}
	if err != nil {
		return receipt{}, err
	}
	return in.store(ctx, held, req.signal, payload)
}

// read takes the body as it was sent. What is known to be too large or to find
// no room is refused before a byte of it is read.
func (in *intake) read(dst *buffer, req request, body io.Reader) error {
	if req.length > in.limit {
		return tooLarge("the request is larger than %d bytes", in.limit)
	}
	limit, step := in.limit, 2
	if req.length > 0 {
		// One more than the length, to see the end without growing.
		if err := dst.admit(int(req.length) + 1); err != nil {
			return err
		}
		limit, step = req.length, stepFactor
	}
	err := dst.fill(body, limit, step)
	if _, refused := errors.AsType[*refusal](err); refused || err == nil {
		return err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return tooSlow()
	}
	return interrupted(err)
}

// store checks the payload and appends it.
func (in *intake) store(ctx context.Context, held *lease, signal journal.Signal, payload []byte) (receipt, error) {
	items, nameless, err := count(signal, payload)
	if err != nil || items == 0 {
		return receipt{}, err
	}
	done := receipt{rejected: nameless}
	if nameless > 0 && nameless < items {
		if payload, err = withoutNameless(held, payload); err != nil {
			return receipt{}, err
		}
	}
	in.meters.counted(signal, itemsRejected, nameless)
	if items -= nameless; items == 0 {
		return done, nil
	}
	if _, err := in.journal.Append(ctx, signal, uint32(items), payload); err != nil {
		in.meters.counted(signal, itemsRefused, items)
		in.noteFailure(err)
		return receipt{}, err
	}
	if in.failing.CompareAndSwap(true, false) {
		in.logger.Info("the journal stores requests again")
	}
	in.meters.counted(signal, itemsAccepted, items)
	in.meters.stored(signal, len(payload))
	return done, nil
}

// noteFailure logs the first of a row of failures that are the journal's own:
// those that an operator must hear of, and that no client can.
func (in *intake) noteFailure(err error) {
	if refusalOf(err).outcome == outcomeFailed && !errors.Is(err, journal.ErrClosed) && !in.failing.Swap(true) {
		in.logger.Error("the journal does not store requests; clients are told to retry", "error", err)
	}
}

// count checks all of a request. It tells how many items it has, and how many
// of them are spans without valid ids: no backend can place those.
func count(signal journal.Signal, payload []byte) (items, nameless int, err error) {
	switch signal {
	case journal.Traces:
		return wire.InspectSpans(payload)
	case journal.Metrics:
		items, err = wire.CountPoints(payload)
	case journal.Logs:
		items, err = wire.CountLogs(payload)
	default:
		err = fmt.Errorf("BUG: a request of signal %d", signal)
	}
	return items, 0, err
}

// withoutNameless returns a copy of the payload without spans that have no
// valid ids.
func withoutNameless(held *lease, payload []byte) ([]byte, error) {
	// DropSpans builds the request anew, level by level of three.
	if err := held.take(3 * int64(len(payload))); err != nil {
		return nil, err
	}
	out, _, err := wire.DropSpans(make([]byte, 0, len(payload)), payload, func(span *wire.Span) bool { return !span.HasIDs() })
	return out, err
}
