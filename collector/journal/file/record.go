package file

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// A record is a header of 40 bytes and its payload, back to back with the next
// one. All numbers are little-endian.
//
//	 0  4  CRC-32C of the payload followed by bytes 4 to 40 of the header
//	 4  4  payload length in bytes
//	 8  8  the segment's mark
//	16  8  the record's offset in the journal
//	24  8  time of append, nanoseconds since 1970
//	32  4  items
//	36  1  signal
//	37  3  zero
//
// Mark and offset together tell a record from anything that merely looks like
// one: a payload cannot guess the mark, and a copied segment has wrong offsets.
const (
	recordHeader = 40

	crcAt    = 0
	lengthAt = 4
	markAt   = 8
	offsetAt = 16
	timeAt   = 24
	itemsAt  = 32
	signalAt = 36
)

// castagnoli is CRC-32C's table; crc32 recognises it and uses the processor's
// own instruction.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// payloadSum is the first half of a record's checksum, taken by the appender
// before the record's offset is known.
func payloadSum(payload []byte) uint32 {
	return crc32.Checksum(payload, castagnoli())
}

// appendFrame appends a record to frames; seal completes it later.
func appendFrame(frames []byte, at time.Time, signal journal.Signal, items uint32, payload []byte) []byte {
	var header [recordHeader]byte
	le := binary.LittleEndian
	le.PutUint32(header[lengthAt:], uint32(len(payload)))
	le.PutUint64(header[timeAt:], uint64(at.UnixNano()))
	le.PutUint32(header[itemsAt:], items)
	header[signalAt] = byte(signal)
	frames = append(frames, header[:]...)
	return append(frames, payload...)
}

// seal completes a record with what is known only when it is written.
// sum is its payloadSum.
func seal(frame []byte, sum uint32, mark uint64, off journal.Offset) {
	le := binary.LittleEndian
	le.PutUint64(frame[markAt:], mark)
	le.PutUint64(frame[offsetAt:], uint64(off))
	sum = crc32.Update(sum, castagnoli(), frame[lengthAt:recordHeader])
	le.PutUint32(frame[crcAt:], sum)
}

// frameSize is what the record takes on disk whose header begins b. Nothing is
// verified.
func frameSize(b []byte) int64 {
	return recordHeader + int64(binary.LittleEndian.Uint32(b[lengthAt:]))
}

// belongs says whether the header that begins b carries the mark and the offset.
func belongs(b []byte, mark uint64, off journal.Offset) bool {
	le := binary.LittleEndian
	return le.Uint64(b[markAt:]) == mark && le.Uint64(b[offsetAt:]) == uint64(off)
}

// intact verifies the checksum of a whole record.
func intact(frame []byte) bool {
	sum := crc32.Update(payloadSum(frame[recordHeader:]), castagnoli(), frame[lengthAt:recordHeader])
	return sum == binary.LittleEndian.Uint32(frame[crcAt:])
}

// decode reads an intact record; the payload aliases frame.
func decode(frame []byte) journal.Record {
	le := binary.LittleEndian
	off := journal.Offset(le.Uint64(frame[offsetAt:]))
	return journal.Record{
		Offset:  off,
		Next:    off + journal.Offset(len(frame)),
		Time:    time.Unix(0, int64(le.Uint64(frame[timeAt:]))),
		Signal:  journal.Signal(frame[signalAt]),
		Items:   le.Uint32(frame[itemsAt:]),
		Payload: frame[recordHeader:len(frame):len(frame)],
	}
}
