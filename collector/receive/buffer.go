package receive

import (
	"errors"
	"io"
	"math/bits"
	"sync"
)

// Blocks from 4 KiB to 4 MiB, in powers of two, are used again; larger ones are
// made for their request and left to the garbage collector.
const (
	minBlockBits = 12
	maxBlockBits = 22
)

// A message of more than firstStep bytes is admitted in steps, each stepFactor
// times the one before.
const (
	firstStep  = 256 << 10
	stepFactor = 4
)

// block is memory that buffers take from a pool and give back.
type block struct{ data []byte }

// blocks has a pool for each size. It is safe for concurrent use.
type blocks struct {
	pools [maxBlockBits - minBlockBits + 1]sync.Pool
}

// blockSize is what get(n) will occupy.
func blockSize(n int) int {
	if n > 1<<maxBlockBits {
		return n
	}
	return 1 << blockBits(n)
}

// blockBits is the power of two of a block that has room for n bytes.
func blockBits(n int) int {
	return max(minBlockBits, bits.Len(uint(max(n, 1)-1)))
}

func (b *blocks) get(n int) *block {
	if n > 1<<maxBlockBits {
		return &block{data: make([]byte, 0, n)}
	}
	at := blockBits(n)
	if pooled, ok := b.pools[at-minBlockBits].Get().(*block); ok {
		return pooled
	}
	return &block{data: make([]byte, 0, 1<<at)}
}

func (b *blocks) put(used *block) {
	size := cap(used.data)
	if size > 1<<maxBlockBits {
		return
	}
	used.data = used.data[:0]
	b.pools[blockBits(size)-minBlockBits].Put(used)
}

// buffer is growing memory of one request. All of it is charged to the
// request's lease before it is allocated.
type buffer struct {
	blocks *blocks
	lease  *lease
	block  *block // nil when nothing is held
}

// bytes are valid until the buffer grows or is freed.
func (b *buffer) bytes() []byte {
	if b.block == nil {
		return nil
	}
	return b.block.data
}

func (b *buffer) room() int {
	if b.block == nil {
		return 0
	}
	return cap(b.block.data)
}

// reserve makes room for n bytes in all and keeps the content.
func (b *buffer) reserve(n int) error {
	if n <= b.room() {
		return nil
	}
	if err := b.lease.take(int64(blockSize(n))); err != nil {
		return err
	}
	next := b.blocks.get(n)
	next.data = append(next.data, b.bytes()...)
	b.free()
	b.block = next
	return nil
}

// admit makes sure that n bytes may come, and reserves what they need at first:
// a client that says much and sends little holds little. More comes with grow;
// that it finds room is not certain, but nobody begins for whom there is none.
func (b *buffer) admit(n int) error {
	size := int64(blockSize(n))
	all := b.lease.budget
	if n <= firstStep || 2*size > all.max {
		return b.reserve(n) // When it grew, it would need room for both.
	}
	if !all.fits(size) {
		return overloaded()
	}
	return b.reserve(firstStep)
}

// grow appends p, of n bytes that come in all.
func (b *buffer) grow(p []byte, n int) error {
	have := len(b.bytes())
	if need := have + len(p); need > b.room() {
		if err := b.reserve(min(max(need, stepFactor*b.room()), n)); err != nil {
			return err
		}
	}
	b.block.data = append(b.block.data, p...)
	return nil
}

// fill appends all of r, up to limit bytes in the buffer; more is too large.
// Where it has no room it grows to step times of what it has.
func (b *buffer) fill(r io.Reader, limit int64, step int) error {
	for {
		if len(b.bytes()) == b.room() {
			// One byte beyond the limit tells too much from just enough.
			if err := b.reserve(int(min(int64(max(step*b.room(), 1<<minBlockBits)), limit+1))); err != nil {
				return err
			}
		}
		data := b.block.data
		n, err := r.Read(data[len(data):cap(data)])
		b.block.data = data[:len(data)+n]
		if int64(len(b.block.data)) > limit {
			return tooLarge("the request is larger than %d bytes", limit)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// free gives memory and charge back. The buffer may be used again.
func (b *buffer) free() {
	if b.block == nil {
		return
	}
	b.lease.give(int64(cap(b.block.data)))
	b.blocks.put(b.block)
	b.block = nil
}
