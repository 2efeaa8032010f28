package recording

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// maxFile bounds a file, decompressed, in bytes.
const maxFile = 2 << 30

// AddFile adds what a file holds, compressed by gzip or zstd or not:
//
//   - OTLP in JSON, one request in each line, as the Collector's file exporter
//     writes it, or in the whole file;
//   - OTLP in protobuf: one request, several laid end to end, or several that
//     each have their length before them, in four bytes, as that exporter
//     writes them;
//   - Jaeger's JSON, as its API answers and its UI saves it.
func (r *Recording) AddFile(path string) error {
	file, err := os.Open(path) //nolint:gosec // whoever runs the command names the file
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it is only read
	data, err := unpack(file)
	if err == nil {
		before := len(r.order)
		if err = r.addData(data); err == nil && len(r.order) == before && r.LeftOut == 0 {
			err = errNothing
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// unpack reads all, decompressed.
func unpack(from io.Reader) ([]byte, error) {
	buffered := bufio.NewReader(from)
	magic, err := buffered.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	unpacked := io.Reader(buffered)
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		if unpacked, err = gzip.NewReader(buffered); err != nil {
			return nil, err
		}
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer z.Close()
		unpacked = z
	}
	data, err := io.ReadAll(io.LimitReader(unpacked, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	return data, err
}

// addData tells the formats apart by how they begin.
func (r *Recording) addData(data []byte) error {
	text := bytes.TrimLeft(data, " \t\r\n\ufeff")
	if len(text) > 0 && (text[0] == '{' || text[0] == '[') {
		return r.addJSON(text)
	}
	if requests, ok := framed(data); ok {
		for _, request := range requests {
			if err := r.Add(request); err != nil {
				return err
			}
		}
		return nil
	}
	return r.Add(data)
}

// framed takes requests apart that have their length before them. It is ok when
// that comes out even.
func framed(data []byte) (requests [][]byte, ok bool) {
	for len(data) >= 4 {
		n := uint64(binary.BigEndian.Uint32(data))
		if n > uint64(len(data)-4) {
			return nil, false
		}
		requests, data = append(requests, data[4:4+n]), data[4+n:]
	}
	return requests, len(data) == 0 && len(requests) > 0
}

// addJSON adds one value after the other.
func (r *Recording) addJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	for n := 1; ; n++ {
		var value json.RawMessage
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("JSON value %d: %w", n, err)
		}
		if err := r.addValue(value); err != nil {
			return fmt.Errorf("JSON value %d: %w", n, err)
		}
	}
}

func (r *Recording) addValue(value json.RawMessage) error {
	var kind struct {
		Data          json.RawMessage `json:"data"`
		TraceID       string          `json:"traceID"`
		ResourceSpans json.RawMessage `json:"resourceSpans"`
		Snake         json.RawMessage `json:"resource_spans"`
	}
	if value[0] == '[' {
		kind.Data = value
	} else if err := json.Unmarshal(value, &kind); err != nil {
		return err
	}
	switch {
	case kind.ResourceSpans != nil || kind.Snake != nil:
		traces, err := (&ptrace.JSONUnmarshaler{}).UnmarshalTraces(value)
		if err != nil {
			return err
		}
		request, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(traces)
		if err != nil {
			return err
		}
		return r.Add(request)
	case kind.Data != nil:
		return r.addJaeger(kind.Data)
	case kind.TraceID != "":
		return r.addJaeger(append(append([]byte{'['}, value...), ']'))
	default:
		return errors.New("want resourceSpans, as OTLP has it, or data, as Jaeger has it")
	}
}
