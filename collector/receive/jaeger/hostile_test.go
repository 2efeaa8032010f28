package jaeger

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/jaegertracing/jaeger-idl/thrift-gen/jaeger"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/waybill-dev/waybill/collector/wire"
)

// ledger adds up what was admitted, up to a limit.
type ledger struct{ admitted, limit int64 }

func (l *ledger) admit(n int64) error {
	if l.admitted+n > l.limit {
		return fmt.Errorf("%d bytes do not fit", n)
	}
	l.admitted += n
	return nil
}

// allocated is how many bytes f allocates, garbage included.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// field is the head of a field in Thrift's binary protocol.
func field(kind byte, id uint16) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind}, id))
}

// list is the head of a list in Thrift's binary protocol.
func list(kind byte, size uint32) string {
	return string(binary.BigEndian.AppendUint32([]byte{kind}, size))
}

const (
	tStruct, tList, tMap, tSet, tString, tBool = 12, 15, 13, 14, 11, 2
	process                                    = "\x0c\x00\x01" + "\x0b\x00\x01\x00\x00\x00\x01s" + "\x00"
)

// TestCountsThatLie: a count in the request makes nobody allocate, neither by
// gigabytes nor by many times what was sent (contrib#50628).
func TestCountsThatLie(t *testing.T) {
	padding := strings.Repeat("\x00", 1<<20)
	noise := strings.Repeat("\xff", 1<<20)
	tests := map[string]string{
		"spans, none there":             process + field(tList, 2) + list(tStruct, 0x7fffffff),
		"spans, as many as bytes":       process + field(tList, 2) + list(tStruct, 1<<20) + padding,
		"spans, fewer, then noise":      process + field(tList, 2) + list(tStruct, 1<<19) + noise,
		"a negative count":              process + field(tList, 2) + list(tStruct, 0xffffffff) + padding,
		"spans of one byte":             process + field(tList, 2) + list(tBool, 1<<20) + padding + "\x00",
		"tags in a span":                process + field(tList, 2) + list(tStruct, 1<<19) + field(tList, 10) + list(tStruct, 1<<19) + padding,
		"fields in a log in a span":     process + field(tList, 2) + list(tStruct, 1<<19) + field(tList, 11) + list(tStruct, 1<<19) + field(tList, 2) + list(tStruct, 1<<19) + padding,
		"a string":                      field(tStruct, 1) + field(tString, 1) + "\x7f\xff\xff\xff" + padding,
		"a string, none there":          field(tStruct, 1) + field(tString, 1) + "\x00\x0f\xff\xff",
		"an unknown map":                field(tMap, 99) + "\x02\x02\x7f\xff\xff\xff" + padding,
		"an unknown set":                field(tSet, 99) + list(tBool, 0x7fffffff) + padding,
		"unknown lists, deep":           strings.Repeat(field(tList, 99)+list(tStruct, 1), 1<<17),
		"a list of lists":               process + field(tList, 2) + strings.Repeat(list(tList, 1), 1<<17),
		"nothing":                       "",
		"no process":                    field(tList, 2) + list(tStruct, 0) + "\x00",
		"a span without its ids":        process + field(tList, 2) + list(tStruct, 1) + "\x00\x00",
		"a type that there is not":      process + field(77, 2) + padding,
		"a name, and then nothing":      field(tStruct, 1) + field(tString, 1) + "\x00\x00\x00\x01",
		"lists that begin and begin":    process + strings.Repeat(field(tList, 2)+list(tStruct, 0), 1<<16),
		"a process that is a list":      field(tList, 1) + list(tStruct, 1<<16) + padding,
		"a list of structs of one stop": process + field(tList, 99) + list(tStruct, 1<<20) + padding,
	}
	for name, payload := range tests {
		l := ledger{limit: 64 << 20}
		var err error
		grown := allocated(func() { _, err = FromBinaryBatch([]byte(payload), l.admit) })
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if most := l.admitted + 256<<10; grown > most {
			t.Errorf("%s: allocated %d bytes for %d, of which %d were admitted (%v)", name, grown, len(payload), l.admitted, err)
		}
	}
}

// TestCompactCountsThatLie: the same of the protocol whose counts are varints.
func TestCompactCountsThatLie(t *testing.T) {
	head := "\x82\x81\x00\x09emitBatch" + "\x1c" // field 1, a struct: the batch
	process := "\x1c" + "\x18\x01s" + "\x00"     // field 1, a struct: its name
	spans := "\x19"                              // field 2, a list
	huge := "\xff\xff\xff\xff\x07"
	padding := strings.Repeat("\x00", 60_000)
	tests := map[string]string{
		"spans":                   head + process + spans + "\xfc" + huge,
		"spans, with bytes":       head + process + spans + "\xfc" + huge + padding,
		"spans, as many as bytes": head + process + spans + "\xfc\xe0\xd4\x03" + padding,
		"spans of one byte":       head + process + spans + "\xf1\xe0\xd4\x03" + padding,
		"an endless varint":       head + process + spans + "\xfc" + strings.Repeat("\xff", 60_000),
		"a name":                  "\x82\x81\x00" + huge + padding,
		"a service":               head + "\x1c\x18" + huge + padding,
		"an unknown map":          head + "\x1b" + huge + "\x11" + padding,
		"structs in structs":      head + strings.Repeat("\x1c", 60_000),
		"another method":          "\x82\x81\x00\x0femitZipkinBatch\x19\x0c\x00",
		"another protocol":        "\x80\x01\x00\x04\x00\x00\x00\x09emitBatch\x00\x00\x00\x00",
		"no arguments":            "\x82\x81\x00\x09emitBatch\x00",
	}
	for name, payload := range tests {
		l := ledger{limit: 64 << 20}
		var err error
		grown := allocated(func() { _, err = FromCompactMessage([]byte(payload), l.admit) })
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if most := l.admitted + 64<<10; grown > most {
			t.Errorf("%s: allocated %d bytes for %d, of which %d were admitted (%v)", name, grown, len(payload), l.admitted, err)
		}
	}
}

// TestManySmallThings: what is all there, and as small as it can be, takes no
// more than was admitted.
func TestManySmallThings(t *testing.T) {
	many := func(change func(b *jaeger.Batch)) *jaeger.Batch {
		b := &jaeger.Batch{Process: &jaeger.Process{ServiceName: "s"}, Spans: []*jaeger.Span{{TraceIdLow: 1, SpanId: 1}}}
		change(b)
		return b
	}
	batches := map[string]*jaeger.Batch{
		"spans": many(func(b *jaeger.Batch) {
			for range 5_000 {
				b.Spans = append(b.Spans, &jaeger.Span{TraceIdLow: 1, SpanId: 1})
			}
		}),
		"logs": many(func(b *jaeger.Batch) {
			for range 10_000 {
				b.Spans[0].Logs = append(b.Spans[0].Logs, &jaeger.Log{})
			}
		}),
		"references": many(func(b *jaeger.Batch) {
			for range 10_000 {
				b.Spans[0].References = append(b.Spans[0].References, &jaeger.SpanRef{})
			}
		}),
		"tags": many(func(b *jaeger.Batch) {
			for i := range 4_000 {
				b.Spans[0].Tags = append(b.Spans[0].Tags, stringTag(strconv.Itoa(i), ""))
			}
		}),
		"broken keys": many(func(b *jaeger.Batch) {
			for i := range 2_000 {
				b.Spans[0].Tags = append(b.Spans[0].Tags, stringTag(fmt.Sprint(i, "\xff"), ""))
			}
		}),
	}
	for name, batch := range batches {
		for sender, s := range senders() {
			payload := s.encode(t, batch)
			l := ledger{limit: 1 << 30}
			var otlp []byte
			var err error
			grown := allocated(func() { otlp, err = s.translate(payload, l.admit) })
			if err != nil {
				t.Errorf("%s, %s: %v", name, sender, err)
				continue
			}
			if _, err := wire.CountSpans(otlp); err != nil {
				t.Errorf("%s, %s: %v", name, sender, err)
			}
			if grown > l.admitted {
				t.Errorf("%s, %s: allocated %d bytes for %d, of which %d were admitted", name, sender, grown, len(payload), l.admitted)
			}
		}
	}
}

// TestManySmallMessages: protobuf's smallest messages have two bytes.
func TestManySmallMessages(t *testing.T) {
	inside := func(number protowire.Number, message []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), message)
	}
	for name, path := range map[string][]protowire.Number{
		"spans": {1, 1}, "references": {1, 1, 4}, "tags": {1, 1, 8}, "logs": {1, 1, 9}, "fields": {1, 1, 9, 2},
		"warnings": {1, 1, 12}, "processes": {1, 1, 10}, "tags of a process": {1, 2, 2}, "batches": {1},
	} {
		n := 4_000 // tags are compared with one another
		if len(path) < 3 {
			n = 50_000
		}
		payload := bytes.Repeat(inside(path[len(path)-1], nil), n)
		for i := len(path) - 2; i >= 0; i-- {
			payload = inside(path[i], payload)
		}
		l := ledger{limit: 1 << 30}
		var err error
		grown := allocated(func() { _, err = FromPostSpans(payload, l.admit) })
		if grown > l.admitted {
			t.Errorf("%s: allocated %d bytes for %d, of which %d were admitted (%v)", name, grown, len(payload), l.admitted, err)
		}
	}
}

// TestTooManyTags: a span of a few megabytes must not take hours.
func TestTooManyTags(t *testing.T) {
	batch := shopBatch()
	for i := range 20_000 {
		batch.Spans[0].Tags = append(batch.Spans[0].Tags, stringTag(strconv.Itoa(i), ""))
	}
	for name, s := range senders() {
		if _, err := s.translate(s.encode(t, batch), unlimited); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTruncated(t *testing.T) {
	for name, s := range senders() {
		payload := s.encode(t, shopBatch())
		for n := range payload[:len(payload)-1] {
			// The last byte ends the arguments, which nothing follows.
			if _, err := s.translate(payload[:n], unlimited); err == nil {
				t.Errorf("%s: %d of %d bytes are taken for whole", name, n, len(payload))
			}
		}
	}
}

func FuzzThrift(f *testing.F) {
	for _, s := range senders() {
		f.Add(s.encode(f, shopBatch()))
	}
	f.Add(message(f, func(t thrift.TTransport) thrift.TProtocol { return thrift.NewTSimpleJSONProtocolConf(t, nil) }, shopBatch()))
	f.Add([]byte(process + field(tList, 2) + list(tStruct, 1<<10) + strings.Repeat("\x00", 1<<10)))
	all := senders()
	f.Fuzz(func(t *testing.T, payload []byte) {
		for name, s := range all {
			checkTranslation(t, name, payload, s.translate)
		}
	})
}

func FuzzPostSpans(f *testing.F) {
	f.Add([]byte("\x0a\x10\x0a\x0e\x0a\x00\x12\x08\x00\x00\x00\x00\x00\x00\x00\x01\x42\x00"))
	f.Add([]byte("\x0a\x04\x12\x02\x0a\x00"))
	f.Fuzz(func(t *testing.T, payload []byte) { checkTranslation(t, "PostSpans", payload, FromPostSpans) })
}

// checkTranslation: nothing panics, the payload stays as it is, and what comes
// out is what the receiver takes.
func checkTranslation(t *testing.T, name string, payload []byte, translate func([]byte, func(int64) error) ([]byte, error)) {
	t.Helper()
	before := bytes.Clone(payload)
	l := ledger{limit: 256 << 20}
	otlp, err := translate(payload, l.admit)
	if !bytes.Equal(payload, before) {
		t.Fatalf("%s: the payload was changed", name)
	}
	if err != nil {
		return
	}
	if _, err := wire.CountSpans(otlp); err != nil {
		t.Fatalf("%s: what came out is refused: %v", name, err)
	}
}
