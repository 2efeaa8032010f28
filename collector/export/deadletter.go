package export

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/file"
)

// letterField is the field of an export request that says why it was set
// aside. OTLP has no field of that number, so the record is still a request
// that every decoder of OTLP reads:
//
//	message DeadLetter {
//	  string destination = 1;
//	  string reason = 2;
//	  uint64 offset = 3;            // in the collector's journal
//	  fixed64 accepted_nanos = 4;   // when it was appended there, since 1970
//	}
const letterField = 60000

// DeadLetter is a request that a backend will never take.
type DeadLetter struct {
	// Destination is the name of the one that refused it.
	Destination string
	// Reason is what it said.
	Reason string
	// Offset is where the request was in the collector's journal.
	Offset journal.Offset
	// Accepted is when the collector had acknowledged it.
	Accepted time.Time
	// Request is the encoded Export{Trace,Metrics,Logs}ServiceRequest. It is
	// part of the record's payload.
	Request []byte
}

// encode makes a record's payload: the request with one more field.
func (l DeadLetter) encode() []byte {
	var about []byte
	about = protowire.AppendTag(about, 1, protowire.BytesType)
	about = protowire.AppendString(about, l.Destination)
	about = protowire.AppendTag(about, 2, protowire.BytesType)
	about = protowire.AppendString(about, l.Reason)
	about = protowire.AppendTag(about, 3, protowire.VarintType)
	about = protowire.AppendVarint(about, uint64(l.Offset))
	about = protowire.AppendTag(about, 4, protowire.Fixed64Type)
	about = protowire.AppendFixed64(about, uint64(l.Accepted.UnixNano()))

	payload := make([]byte, 0, len(l.Request)+len(about)+16)
	payload = append(payload, l.Request...)
	payload = protowire.AppendTag(payload, letterField, protowire.BytesType)
	return protowire.AppendBytes(payload, about)
}

// errNoLetter says that a record holds no dead letter.
var errNoLetter = errors.New("not a dead letter")

// ReadDeadLetter reads a record of a journal of dead letters. The record says
// when it was set aside, of which signal it is, and how many items it has.
func ReadDeadLetter(record journal.Record) (DeadLetter, error) {
	last := -1
	var about []byte
	for at := 0; at < len(record.Payload); {
		num, typ, n := protowire.ConsumeTag(record.Payload[at:])
		if n < 0 {
			return DeadLetter{}, errNoLetter
		}
		size := protowire.ConsumeFieldValue(num, typ, record.Payload[at+n:])
		if size < 0 {
			return DeadLetter{}, errNoLetter
		}
		if num == letterField && typ == protowire.BytesType {
			about, _ = protowire.ConsumeBytes(record.Payload[at+n:])
			last = at
		}
		at += n + size
	}
	if last < 0 {
		return DeadLetter{}, errNoLetter
	}
	l := DeadLetter{Request: record.Payload[:last]}
	return l, l.decode(about)
}

func (l *DeadLetter) decode(about []byte) error {
	for len(about) > 0 {
		num, typ, n := protowire.ConsumeTag(about)
		if n < 0 {
			return errNoLetter
		}
		about = about[n:]
		size := protowire.ConsumeFieldValue(num, typ, about)
		if size < 0 {
			return errNoLetter
		}
		switch {
		case num == 1 && typ == protowire.BytesType:
			l.Destination, _ = protowire.ConsumeString(about)
		case num == 2 && typ == protowire.BytesType:
			l.Reason, _ = protowire.ConsumeString(about)
		case num == 3 && typ == protowire.VarintType:
			offset, _ := protowire.ConsumeVarint(about)
			l.Offset = journal.Offset(offset)
		case num == 4 && typ == protowire.Fixed64Type:
			nanos, _ := protowire.ConsumeFixed64(about)
			l.Accepted = time.Unix(0, int64(nanos))
		}
		about = about[size:]
	}
	return nil
}

// keeper is the reader whose cursor stays at the oldest letter, so that none is
// deleted to make room.
const keeper = "keeper"

// letterBox keeps the dead letters of one destination, in a journal of its own.
// It is opened for the first letter. It is used by one goroutine.
type letterBox struct {
	cfg     file.Config
	drops   bool // the oldest, when there is no room
	logger  *slog.Logger
	journal *file.Journal // nil: no letter since the start
}

// newLetterBox returns nil where nothing is to be kept.
func newLetterBox(cfg DeadLetters, signal journal.Signal, destination string, logger *slog.Logger) *letterBox {
	if !cfg.kept() {
		return nil
	}
	return &letterBox{logger: logger, drops: cfg.mayDrop(), cfg: file.Config{
		Dir:          filepath.Join(cfg.Dir, signal.String()+"-"+destination),
		MaxBytes:     cfg.MaxBytes,
		SegmentBytes: min(cfg.MaxBytes/2, 1<<30),
		Sync:         file.SyncAlways,
	}}
}

// errNotKept says that dead letters are not wanted.
var errNotKept = errors.New("dead letters are not kept")

// put returns when the letter is on stable storage, with the bytes of older ones
// that made room for it.
func (b *letterBox) put(ctx context.Context, signal journal.Signal, items uint32, l DeadLetter) (lost uint64, err error) {
	if b == nil {
		return 0, errNotKept
	}
	if b.journal == nil {
		if err := b.open(); err != nil {
			return 0, fmt.Errorf("dead letters: %w", err)
		}
	}
	before := b.journal.Stats().Oldest
	if _, err = b.journal.Append(ctx, signal, items, l.encode()); err != nil {
		err = fmt.Errorf("dead letters: %w", err)
	}
	return uint64(b.journal.Stats().Oldest - before), err
}

// open forgets whoever has read the letters by name. Only the keeper's cursor
// decides whether the oldest may be deleted; where there is to be one, it is never
// forgotten, not for a moment.
func (b *letterBox) open() error {
	j, err := file.Open(b.cfg, b.logger)
	if err != nil {
		return err
	}
	kept := false
	for name := range j.Stats().Cursors {
		if name == keeper && !b.drops {
			kept = true
			continue
		}
		err = errors.Join(err, j.Forget(name))
	}
	if !b.drops && !kept {
		reader, readerErr := j.Reader(keeper)
		if readerErr == nil {
			readerErr = reader.Close()
		}
		err = errors.Join(err, readerErr)
	}
	if err != nil {
		return errors.Join(err, j.Close())
	}
	b.journal = j
	return nil
}

func (b *letterBox) close() error {
	if b == nil || b.journal == nil {
		return nil
	}
	return b.journal.Close()
}
