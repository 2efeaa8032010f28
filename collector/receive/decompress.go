package receive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// compression is how a request's body is encoded.
type compression uint8

const (
	identity compression = iota
	gzipped
	zstandard
)

// acceptedCompressions is what we tell a client that sent something else.
const acceptedCompressions = "gzip, zstd"

// maxWindow bounds what a zstd frame may make its decoder remember, in bytes:
// the least that RFC 8878 wants a decoder to support.
const maxWindow = 8 << 20

// compressionOf reads a Content-Encoding or grpc-encoding.
func compressionOf(name string) (compression, bool) {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "", "identity":
		return identity, true
	case "gzip":
		return gzipped, true
	case "zstd":
		return zstandard, true
	}
	return identity, false
}

// decoder is a decompressor that can begin again.
type decoder interface {
	io.Reader
	begin(src []byte) error
	// end drops what the decoder remembers of its input.
	end()
}

// decoders keeps as many decompressors of each kind as there are processors.
// Each serves one request at a time, on bytes that are all there, so that a
// slow client never holds one. It is safe for concurrent use.
type decoders struct {
	slots      chan struct{} // a token for each decompressor at work
	gzip, zstd chan decoder  // those that rest
	limit      int64         // of what one request may expand to
}

func newDecoders(limit int64) *decoders {
	n := runtime.GOMAXPROCS(0)
	return &decoders{
		slots: make(chan struct{}, n),
		gzip:  make(chan decoder, n),
		zstd:  make(chan decoder, n),
		limit: limit,
	}
}

// expand decompresses src into dst. It waits while all processors do that.
func (d *decoders) expand(ctx context.Context, c compression, dst *buffer, src []byte) error {
	if len(src) == 0 {
		return nil
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	idle, create := d.gzip, newGzipDecoder
	if c == zstandard {
		idle, create = d.zstd, d.newZstdDecoder
	}
	var dec decoder
	select {
	case dec = <-idle:
	default:
		var err error
		if dec, err = create(); err != nil {
			return err
		}
	}
	defer func() {
		dec.end()
		idle <- dec
	}()
	if err := dec.begin(src); err != nil {
		return decompressionError(err)
	}
	return decompressionError(dst.fill(dec, d.limit, 2))
}

// decompressionError tells the faults of the data from refusals.
func decompressionError(err error) error {
	if _, refused := errors.AsType[*refusal](err); refused || err == nil {
		return err
	}
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), errors.Is(err, zstd.ErrWindowSizeExceeded):
		return tooLarge("the request needs too much memory to be decompressed")
	}
	return malformed(fmt.Errorf("decompress: %w", err))
}

type gzipDecoder struct {
	gzip.Reader

	src bytes.Reader
}

func newGzipDecoder() (decoder, error) { return &gzipDecoder{}, nil }

func (g *gzipDecoder) begin(src []byte) error {
	g.src.Reset(src)
	return g.Reset(&g.src)
}

func (g *gzipDecoder) end() { g.src.Reset(nil) }

type zstdDecoder struct {
	*zstd.Decoder

	src bytes.Reader
}

// newZstdDecoder makes one that works in its caller's goroutine.
func (d *decoders) newZstdDecoder() (decoder, error) {
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow),
		zstd.WithDecoderMaxMemory(uint64(max(d.limit, maxWindow))),
	)
	return &zstdDecoder{Decoder: dec}, err
}

func (z *zstdDecoder) begin(src []byte) error {
	z.src.Reset(src)
	return z.Reset(&z.src)
}

func (z *zstdDecoder) end() {
	z.src.Reset(nil)
	_ = z.Reset(nil)
}
