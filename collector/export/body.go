package export

import (
	"bytes"
	"io"
	"sync/atomic"

	"github.com/waybill-dev/waybill/collector/journal"
)

// keptBody is the largest request buffer that is kept for the next batch.
const keptBody = 8 << 20

// body is a request's bytes, which are written over only when nobody reads
// them: gRPC may go on reading after it has given an answer.
type body struct {
	data bytes.Buffer
	open atomic.Int32
}

// free is a body to load: b where it can be used again.
func (b *body) free() *body {
	if b == nil || b.open.Load() > 0 || b.data.Cap() > keptBody {
		return &body{}
	}
	b.data.Reset()
	return b
}

// lay writes the records end to end: that is one valid request.
func lay(to io.Writer, records []journal.Record) error {
	for i := range records {
		if _, err := to.Write(records[i].Payload); err != nil {
			return err
		}
	}
	return nil
}

// fill loads a free body, compressed where there is a compressor.
func (b *body) fill(records []journal.Record, zip compressor) error {
	if zip == nil {
		_, size := weigh(records)
		b.data.Grow(int(size))
		return lay(&b.data, records)
	}
	zip.Reset(&b.data)
	if err := lay(zip, records); err != nil {
		return err
	}
	return zip.Close()
}
