package file

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// A segment file begins with a header of 40 bytes:
//
//	 0  8  "WAYBILLJ"
//	 8  4  format version, 1
//	12  4  CRC-32C of bytes 0 to 12 and 16 to 40
//	16  8  offset of the first record, as in the file's name
//	24  8  mark, a random number other than zero
//	32  8  time of creation, nanoseconds since 1970
const (
	fileHeader    = 40
	magic         = "WAYBILLJ"
	formatVersion = 1
)

// newMark draws a mark that no payload can foresee.
func newMark() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails: see crypto/rand
		if mark := binary.LittleEndian.Uint64(b[:]); mark != 0 {
			return mark
		}
	}
}

// encodeHeader lays out a segment file's header.
func encodeHeader(base journal.Offset, mark uint64, created time.Time) []byte {
	le := binary.LittleEndian
	b := make([]byte, fileHeader)
	copy(b, magic)
	le.PutUint32(b[8:], formatVersion)
	le.PutUint64(b[16:], uint64(base))
	le.PutUint64(b[24:], mark)
	le.PutUint64(b[32:], uint64(created.UnixNano()))
	le.PutUint32(b[12:], headerSum(b))
	return b
}

func headerSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:12], castagnoli()), castagnoli(), b[16:fileHeader])
}

// errVersion is the one reason to refuse a journal for what its files hold.
var errVersion = errors.New("segment has a format version that this program does not know")

// readHeader returns the mark of an intact header, or 0 where the header is
// damaged. Its only error is errVersion.
func readHeader(src io.ReaderAt, base journal.Offset) (uint64, error) {
	b := make([]byte, fileHeader)
	if n, _ := src.ReadAt(b, 0); n < fileHeader {
		return 0, nil
	}
	le := binary.LittleEndian
	if !bytes.HasPrefix(b, []byte(magic)) || le.Uint32(b[12:]) != headerSum(b) {
		return 0, nil
	}
	if version := le.Uint32(b[8:]); version != formatVersion {
		return 0, fmt.Errorf("%w: %d", errVersion, version)
	}
	if le.Uint64(b[16:]) != uint64(base) {
		return 0, nil
	}
	return le.Uint64(b[24:]), nil
}

// findMark searches a segment of size bytes whose header is damaged for its
// first record that is intact under its own mark, and returns that mark, or 0.
func findMark(src io.ReaderAt, base journal.Offset, size int64) uint64 {
	const chunk = 1 << 20
	le := binary.LittleEndian
	b := make([]byte, min(chunk+recordHeader, size))
	for at := int64(fileHeader); size-at >= recordHeader; at += chunk {
		b = b[:min(chunk+recordHeader-1, size-at)]
		if readDamaged(src, b, at) != nil {
			return 0
		}
		for i := 0; i+recordHeader <= len(b); i++ {
			pos := at + int64(i)
			wanted := uint64(base) + uint64(pos-fileHeader)
			if le.Uint64(b[i+offsetAt:]) != wanted || frameSize(b[i:]) > size-pos {
				continue
			}
			frame := make([]byte, frameSize(b[i:]))
			if readDamaged(src, frame, pos) == nil && intact(frame) {
				return le.Uint64(frame[markAt:])
			}
		}
	}
	return 0
}
