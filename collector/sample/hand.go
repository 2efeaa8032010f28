package sample

import (
	"context"
	"errors"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// handOn deals with what has been decided. An error, which is of the end, of a
// journal that cannot be read now, or of a commit, leaves it to the next time,
// or to the next start.
func (s *Sampler) handOn(hand context.Context) error {
	s.meters.waiting.Set(float64(len(s.engine.open)))
	s.meters.bytes.Set(float64(s.engine.bytes))
	s.empty() // Of what was cut out before an error.
	for _, at := range s.pending.places() {
		if err := s.cutOut(hand, at); err != nil {
			return err
		}
	}
	err := s.flush(hand)
	if err == nil {
		err = s.writeDown(hand)
	}
	if err != nil {
		return err
	}
	s.pending.clear()
	if cap(s.again) > keptBytes { // One huge record has left it.
		s.again = nil
	}
	s.handedOn = time.Now()
	return s.reader.Commit(s.engine.needs())
}

// cutOut takes what is wanted out of one record.
func (s *Sampler) cutOut(hand context.Context, at journal.Offset) error {
	record, err := s.journals.In.AtInto(at, &s.again)
	if err != nil && !errors.Is(err, journal.ErrGone) {
		return err // It is there, and cannot be read now.
	}
	spans := 0
	if err == nil && len(record.Payload) > handBytes { // It may fill a segment alone.
		if err := s.flush(hand); err != nil {
			return err
		}
	}
	if err == nil {
		s.cutter.wants = s.pending.wants(at)
		s.hand, spans, err = s.cutter.cut(s.hand, record.Payload)
	}
	if err != nil {
		s.meters.lost.Inc()
		s.complain("spans of a trace that is to be kept cannot be read again", err)
		return nil
	}
	if spans > 0 {
		s.handSpans += spans
		s.cuttings = append(s.cuttings, cutting{len(s.hand), spans})
	}
	if len(s.hand) < handBytes {
		return nil
	}
	return s.flush(hand)
}

// flush appends what was cut out to the journal of what is kept. After an error
// it is cut out again.
func (s *Sampler) flush(hand context.Context) error {
	if s.handSpans == 0 {
		return nil
	}
	err := s.store(hand, s.handSpans, s.hand)
	if errors.Is(err, journal.ErrTooLarge) {
		err = s.storeEach(hand)
	}
	s.empty()
	return err
}

func (s *Sampler) empty() { s.hand, s.handSpans, s.cuttings = s.hand[:0], 0, s.cuttings[:0] }

// storeEach stores alone what is too large together: a journal of small
// segments has room for what came out of one record of another.
func (s *Sampler) storeEach(hand context.Context) error {
	begin := 0
	for _, c := range s.cuttings {
		err := s.store(hand, c.spans, s.hand[begin:c.end])
		switch {
		case errors.Is(err, journal.ErrTooLarge):
			s.meters.lost.Inc()
			s.complain("spans of traces that are to be kept are too large together", err)
		case err != nil:
			return err
		}
		begin = c.end
	}
	return nil
}

func (s *Sampler) store(hand context.Context, spans int, payload []byte) error {
	err := s.append(hand, s.journals.Kept, spans, payload)
	if err == nil {
		s.meters.handed.Add(float64(spans))
	}
	return err
}

// writeDown appends the decisions to their journal.
func (s *Sampler) writeDown(hand context.Context) error {
	var spans []byte
	n := 0
	for i, id := range s.pending.settled {
		if d, ok := s.engine.memory.get(id); ok { // If not, it has made room for another.
			d.through = s.engine.next
			s.engine.memory.put(id, d)
			spans = appendDecision(spans, id, d)
			n++
		}
		if n == 0 || len(spans) < handBytes/8 && i < len(s.pending.settled)-1 {
			continue
		}
		if err := s.append(hand, s.journals.Decisions, n, decisionsRequest(spans)); err != nil {
			return err
		}
		spans, n = spans[:0], 0
	}
	return nil
}

// append tries until it is done, or handing on has to end: a journal that is
// full has room when somebody has read from it.
func (s *Sampler) append(hand context.Context, j journal.Journal, spans int, payload []byte) error {
	for {
		_, err := j.Append(hand, journal.Traces, uint32(spans), payload)
		if err == nil || hand.Err() != nil || errors.Is(err, journal.ErrTooLarge) || errors.Is(err, journal.ErrClosed) {
			return err
		}
		s.complain("what sampling has chosen cannot be stored; trying again", err)
		if !sleep(hand, retryAfter) {
			return hand.Err()
		}
	}
}
