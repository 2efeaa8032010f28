package export

import (
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// zstdWindow bounds how far back an encoder and its decoder look, and with it
// the memory of both, in bytes.
const zstdWindow = 1 << 20

// compressor writes one compressed stream after another. It is used by one
// goroutine at a time.
type compressor interface {
	io.WriteCloser
	Reset(to io.Writer)
}

// newCompressor returns nil for NoCompression. The levels are the fastest:
// docs/collector.md has what the others cost.
func newCompressor(kind Compression) (compressor, error) {
	switch kind {
	case NoCompression:
		return nil, nil
	case Gzip:
		return gzip.NewWriterLevel(nil, gzip.BestSpeed)
	case Zstd:
		return zstd.NewWriter(nil,
			zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(zstdWindow),
			zstd.WithLowerEncoderMem(true))
	}
	return nil, fmt.Errorf("compression %q is unknown", kind)
}

// decompress reads a small text, as far as it goes.
func decompress(r io.Reader, kind Compression) []byte {
	var unzipped io.Reader
	switch kind {
	default:
		unzipped = r
	case Gzip:
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil
		}
		unzipped = z
	case Zstd:
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil
		}
		defer z.Close()
		unzipped = z
	}
	data, _ := io.ReadAll(io.LimitReader(unzipped, maxAnswer))
	return data
}
