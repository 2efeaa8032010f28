package tracegen

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Compression is how requests are compressed.
type Compression string

// The compressions. Both run at their fastest level.
const (
	NoCompression Compression = "none"
	Gzip          Compression = "gzip"
	Zstd          Compression = "zstd"
)

// zstdWindow bounds the memory of an encoder, and of whoever decodes, in bytes.
const zstdWindow = 1 << 20

// zipper compresses. A nil one does not; it is safe for concurrent use.
type zipper struct {
	kind    Compression
	writers sync.Pool
}

// zipWriter writes one compressed stream after another.
type zipWriter interface {
	io.WriteCloser
	Reset(to io.Writer)
}

func newZipper(kind Compression) *zipper {
	if kind == "" || kind == NoCompression {
		return nil
	}
	return &zipper{kind: kind}
}

func (z *zipper) writer() (zipWriter, error) {
	if w, ok := z.writers.Get().(zipWriter); ok {
		return w, nil
	}
	if z.kind == Gzip {
		return gzip.NewWriterLevel(nil, gzip.BestSpeed)
	}
	return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true))
}

// write compresses data as one stream.
func (z *zipper) write(to io.Writer, data []byte) error {
	w, err := z.writer()
	if err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	w.Reset(to)
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	z.writers.Put(w)
	return nil
}

// pack returns data compressed, or as it is.
func (z *zipper) pack(data []byte) ([]byte, error) {
	if z == nil {
		return data, nil
	}
	var out bytes.Buffer
	if err := z.write(&out, data); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// grpcZipper implements grpc.Compressor.
type grpcZipper struct{ zip *zipper }

// Type implements grpc.Compressor.
func (g grpcZipper) Type() string { return string(g.zip.kind) }

// Do implements grpc.Compressor.
func (g grpcZipper) Do(w io.Writer, p []byte) error { return g.zip.write(w, p) }

// grpcUnzipper implements grpc.Decompressor, for answers, which are small.
type grpcUnzipper struct{ kind Compression }

// Type implements grpc.Decompressor.
func (g grpcUnzipper) Type() string { return string(g.kind) }

// Do implements grpc.Decompressor.
func (g grpcUnzipper) Do(r io.Reader) ([]byte, error) {
	if g.kind == Gzip {
		unzipped, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(io.LimitReader(unzipped, maxAnswer))
	}
	unzipped, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
	if err != nil {
		return nil, err
	}
	defer unzipped.Close()
	return io.ReadAll(io.LimitReader(unzipped, maxAnswer))
}
