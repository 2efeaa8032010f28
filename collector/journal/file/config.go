package file

import (
	"errors"
	"fmt"
	"time"
)

// SyncMode says what an acknowledged record survives.
type SyncMode string

const (
	// SyncAlways has every record on stable storage before Append returns; it
	// survives a crash of the machine. The empty mode means this one.
	SyncAlways SyncMode = "always"
	// SyncInterval has a record on stable storage within Config.SyncInterval, and
	// the time that syncing takes. Append returns before, when the record is in the
	// page cache: it survives a crash of the process, kill -9 included; a crash of
	// the machine, or a power failure, loses what is not synced yet.
	SyncInterval SyncMode = "interval"
	// SyncNever leaves records in the page cache: they survive a crash of the
	// process, kill -9 included, but not of the machine.
	SyncNever SyncMode = "never"
)

// Bounds and defaults of Config, in bytes.
const (
	defaultMaxBytes     = 2 << 30
	defaultSegmentBytes = 128 << 20
	minSegmentBytes     = 4 << 10
	maxSegmentBytes     = 1 << 30
)

const defaultSyncInterval = 100 * time.Millisecond

// Config says where a journal lives, how much it may hold and for how long.
type Config struct {
	// Dir holds the journal and nothing else. It is created when missing.
	Dir string `yaml:"dir"`
	// MaxBytes is the budget: what all segments together may occupy on disk,
	// headers included, in bytes. It is checked before anything is written.
	MaxBytes int64 `yaml:"max_bytes"`
	// SegmentBytes is the size at which a segment is full, and so the largest
	// record with its header; deletion is by whole segments. In bytes, from 4 KiB
	// to 1 GiB and at most half of MaxBytes. Zero chooses the smaller of 128 MiB
	// and a quarter of MaxBytes.
	SegmentBytes int64 `yaml:"segment_bytes"`
	// Sync is SyncAlways where it is empty.
	Sync SyncMode `yaml:"sync"`
	// SyncInterval is how old a record may become before it is synced, with Sync
	// at interval: a power failure may lose as much. Zero is 100 ms.
	SyncInterval time.Duration `yaml:"sync_interval"`
	// Retain keeps segments that every named reader has passed until MaxBytes
	// or MaxAge wants them gone. Without it they are deleted at once. A journal
	// that has no named reader at all keeps its segments as if Retain were set.
	Retain bool `yaml:"retain"`
	// MaxAge deletes retained segments whose newest record is older. Zero means
	// no limit. What a named reader has not passed is never too old.
	MaxAge time.Duration `yaml:"max_age"`
}

// DefaultConfig is 2 GiB, synced before every answer, nothing retained. Dir is
// left to the caller.
func DefaultConfig() Config {
	return Config{MaxBytes: defaultMaxBytes, Sync: SyncAlways}
}

// Validate reports all that Open would refuse, by the keys of the settings.
func (c Config) Validate() error {
	c = c.filled()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Dir != "", "dir: the journal's directory is not set")
	check(c.Sync == SyncAlways || c.Sync == SyncInterval || c.Sync == SyncNever,
		"sync: %q: want %q, %q or %q", c.Sync, SyncAlways, SyncInterval, SyncNever)
	check(c.SyncInterval > 0, "sync_interval: %v is negative", c.SyncInterval)
	check(c.MaxAge >= 0, "max_age: %v is negative", c.MaxAge)
	check(c.MaxBytes >= 2*minSegmentBytes, "max_bytes: %d bytes: want at least %d", c.MaxBytes, 2*minSegmentBytes)
	check(c.SegmentBytes >= minSegmentBytes && c.SegmentBytes <= maxSegmentBytes,
		"segment_bytes: %d bytes: want %d to %d", c.SegmentBytes, minSegmentBytes, maxSegmentBytes)
	check(c.SegmentBytes <= c.MaxBytes/2, "segment_bytes: %d bytes: want at most half of max_bytes, %d", c.SegmentBytes, c.MaxBytes)
	return errors.Join(errs...)
}

// filled returns c with its empty fields at their defaults.
func (c Config) filled() Config {
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	if c.SegmentBytes == 0 {
		c.SegmentBytes = max(minSegmentBytes, min(defaultSegmentBytes, c.MaxBytes/4))
	}
	if c.Sync == "" {
		c.Sync = SyncAlways
	}
	if c.SyncInterval == 0 {
		c.SyncInterval = defaultSyncInterval
	}
	return c
}
