package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/collector/journal"
)

const testMark = 0x1122334455667788

// segmentOf lays out a segment with these payloads.
func segmentOf(base journal.Offset, payloads ...[]byte) []byte {
	b := encodeHeader(base, testMark, time.Unix(1, 0))
	for n, payload := range payloads {
		at := len(b)
		b = appendFrame(b, time.Unix(2, 0), journal.Logs, uint32(n), payload)
		seal(b[at:], payloadSum(payload), testMark, base+journal.Offset(at-fileHeader))
	}
	return b
}

// scanAll returns what a scanner finds in a segment, and the stretches it skips.
func scanAll(src io.ReaderAt, size int64, base journal.Offset, mark uint64, maxBytes int) (records []journal.Record, skipped [][2]int64, err error) {
	s := scanner{src: src, damaged: func(from, to int64) { skipped = append(skipped, [2]int64{from, to}) }}
	s.reset(base, mark, fileHeader)
	s.limit = size
	for {
		batch, err := s.batch(maxBytes)
		if errors.Is(err, io.EOF) {
			return records, skipped, nil
		}
		if err != nil {
			return nil, nil, err
		}
		for _, record := range batch {
			record.Payload = bytes.Clone(record.Payload)
			records = append(records, record)
		}
	}
}

// brokenFile cannot read some of its blocks.
type brokenFile struct {
	io.ReaderAt
	bad func(block int64) bool
	err error
}

func (f brokenFile) ReadAt(p []byte, at int64) (int, error) {
	for n := range p {
		if f.bad((at + int64(n)) / block) {
			_, _ = f.ReaderAt.ReadAt(p[:n], at)
			return n, f.err
		}
	}
	return f.ReaderAt.ReadAt(p, at)
}

func TestUnreadableBlocks(t *testing.T) {
	var payloads [][]byte
	for n := range 300 {
		payloads = append(payloads, text(n, 1000-recordHeader))
	}
	segment := segmentOf(5000, payloads...)
	for _, test := range []struct {
		name string
		bad  func(int64) bool
		err  error
		lost int // records of 1,000 bytes that touch a bad block
		want error
	}{
		{"none", func(int64) bool { return false }, syscall.EIO, 0, nil},
		{"one block", func(n int64) bool { return n == 10 }, syscall.EIO, 6, nil},
		{"the first block", func(n int64) bool { return n == 0 }, syscall.EIO, 5, nil},
		{"all blocks", func(int64) bool { return true }, syscall.EIO, 300, nil},
		{"an error that is no damage", func(n int64) bool { return n == 10 }, syscall.ENOMEM, 0, syscall.ENOMEM},
	} {
		t.Run(test.name, func(t *testing.T) {
			src := brokenFile{bytes.NewReader(segment), test.bad, test.err}
			records, _, err := scanAll(src, int64(len(segment)), 5000, testMark, 1<<20)
			wantError(t, "scan", err, test.want)
			if want := len(payloads) - test.lost; err == nil && len(records) != want {
				t.Errorf("%d records survived, want %d", len(records), want)
			}
			for _, record := range records {
				if !bytes.Equal(record.Payload, payloads[record.Items]) {
					t.Errorf("record %d has another payload", record.Items)
				}
			}
		})
	}
}

// TestWindow reads records of all sizes with all sizes of window.
func TestWindow(t *testing.T) {
	var payloads [][]byte
	for n, size := range []int{0, 1, 1 << 16, 0, 7, minWindow - recordHeader, minWindow, 300 << 10, 5, 1 << 20, 0} {
		payloads = append(payloads, text(n, size))
	}
	segment := segmentOf(0, payloads...)
	for _, maxBytes := range []int{math.MinInt, 0, 1, 1000, 1 << 16, 1 << 20, math.MaxInt} {
		records, skipped, err := scanAll(bytes.NewReader(segment), int64(len(segment)), 0, testMark, maxBytes)
		if err != nil || len(skipped) > 0 {
			t.Fatalf("skipped %v, %v", skipped, err)
		}
		if len(records) != len(payloads) {
			t.Fatalf("%d records with a window for %d bytes, want %d", len(records), maxBytes, len(payloads))
		}
		for n := range records {
			if !bytes.Equal(records[n].Payload, payloads[n]) {
				t.Errorf("record %d has another payload", n)
			}
		}
	}
}

func TestRecord(t *testing.T) {
	want := journal.Record{Offset: 77, Next: 77 + recordHeader + 5, Time: time.Unix(1700000000, 123456789), Signal: journal.Metrics, Items: math.MaxUint32, Payload: []byte("bytes")}
	frame := appendFrame(nil, want.Time, want.Signal, want.Items, want.Payload)
	seal(frame, payloadSum(want.Payload), testMark, want.Offset)
	if !intact(frame) || !belongs(frame, testMark, want.Offset) {
		t.Error("the record is not intact")
	}
	if diff := cmp.Diff(want, decode(frame)); diff != "" {
		t.Errorf("want - got +:\n%s", diff)
	}
}

// FuzzScan gives the scanner a segment of true records into which the fuzzer
// writes, and a file that is the fuzzer's alone. The scanner must not panic,
// must return only records whose checksum is right, in order, and of the true
// segment only those that were written there.
func FuzzScan(f *testing.F) {
	f.Add([]byte("one|two||three"), uint16(50), []byte{0xff}, uint16(1000), uint8(100))
	f.Add(segmentOf(0, []byte("a"), []byte("b")), uint16(0), []byte{}, uint16(60), uint8(0))
	f.Add(segmentOf(0, nil, nil, nil), uint16(44), []byte{0xff, 0xff, 0xff, 0xff}, uint16(160), uint8(3))
	f.Add(bytes.Repeat([]byte{'|'}, 50), uint16(100), binary.LittleEndian.AppendUint64(nil, testMark), uint16(65535), uint8(255))
	f.Fuzz(func(t *testing.T, data []byte, at uint16, patch []byte, size uint16, maxBytes uint8) {
		payloads := bytes.Split(data, []byte("|"))
		segment := segmentOf(0, payloads...)
		if int(at) < len(segment) {
			copy(segment[at:], patch)
		}
		segment = segment[:min(len(segment), int(size))]
		for _, record := range fuzzScan(t, segment, testMark, int(maxBytes)) {
			if int(record.Items) >= len(payloads) || !bytes.Equal(record.Payload, payloads[record.Items]) {
				t.Fatalf("record %d was never written", record.Items)
			}
		}
		fuzzScan(t, data, testMark, int(maxBytes))
		mark, err := readHeader(bytes.NewReader(data), 0)
		if mark == 0 || err != nil {
			mark = findMark(bytes.NewReader(data), 0, int64(len(data)))
		}
		fuzzScan(t, data, mark, int(maxBytes))
	})
}

// fuzzScan scans and verifies each record against the bytes at its place.
func fuzzScan(t *testing.T, segment []byte, mark uint64, maxBytes int) []journal.Record {
	t.Helper()
	records, skipped, err := scanAll(bytes.NewReader(segment), int64(len(segment)), 0, mark, maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	covered := int64(0)
	for _, stretch := range skipped {
		covered += stretch[1] - stretch[0]
	}
	next := journal.Offset(0)
	for _, record := range records {
		from, to := int(record.Offset)+fileHeader, int(record.Next)+fileHeader
		if record.Offset < next || to > len(segment) || !intact(segment[from:to]) {
			t.Fatalf("record [%d, %d) after %d is not intact", record.Offset, record.Next, next)
		}
		if !bytes.Equal(record.Payload, segment[from+recordHeader:to]) {
			t.Fatalf("record at %d has another payload", record.Offset)
		}
		next = record.Next
		covered += int64(to - from)
	}
	if want := max(0, int64(len(segment))-fileHeader); covered != want {
		t.Fatalf("records and skipped stretches cover %d bytes of %d", covered, want)
	}
	return records
}
