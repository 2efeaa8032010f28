package command

import (
	"bytes"
	"context"
	"crypto/sha256"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// Follower tells when the configuration is to be read again: on SIGHUP, and
// when the file's content has changed. It looks at the content, because a file
// may be replaced through a symbolic link, in place, or without a newer time.
type Follower struct {
	path    string // "": there is no file
	hangups chan os.Signal
	looks   *time.Ticker
	// taken is the content that was read last, seen that at the last look. What
	// changes between two looks may be half written.
	taken, seen [sha256.Size]byte
}

// LookEvery is how often a file is to be looked at.
const LookEvery = time.Second

// Follow begins to follow the file at path, as it is now; with an empty path
// there is SIGHUP alone. Stop is due. One goroutine uses it.
func Follow(path string, lookEvery time.Duration) *Follower {
	f := &Follower{path: path, hangups: make(chan os.Signal, 1), looks: time.NewTicker(lookEvery)}
	signal.Notify(f.hangups, syscall.SIGHUP)
	f.taken, _ = f.content()
	f.seen = f.taken
	return f
}

// FollowFile is Follow for programs of a terminal: with an empty path nothing
// is followed, and SIGHUP ends the process as ever.
func FollowFile(path string, lookEvery time.Duration) *Follower {
	if path == "" {
		return &Follower{looks: &time.Ticker{}}
	}
	return Follow(path, lookEvery)
}

// Stop gives SIGHUP its usual meaning again.
func (f *Follower) Stop() {
	if f.hangups != nil {
		signal.Stop(f.hangups)
	}
	f.looks.Stop()
}

// Next waits until there is something to read; false says that ctx has ended.
func (f *Follower) Next(ctx context.Context) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-f.hangups:
			f.taken, _ = f.content()
			f.seen = f.taken
			return true
		case <-f.looks.C:
			if f.changed() {
				return true
			}
		}
	}
}

// changed says that the content is another one, for two looks. A file that
// cannot be read is on its way.
func (f *Follower) changed() bool {
	now, ok := f.content()
	if !ok {
		return false
	}
	settled := now == f.seen && now != f.taken
	f.seen = now
	if settled {
		f.taken = now
	}
	return settled
}

// content is not ok either when there is nothing in the file. That is what a
// full disk leaves of one that is written in place, and it would be taken for
// the wish that nothing be forwarded any more, and no place kept.
func (f *Follower) content() (sum [sha256.Size]byte, ok bool) {
	if f.path == "" {
		return sum, false
	}
	data, err := os.ReadFile(filepath.Clean(f.path))
	if err != nil || len(bytes.TrimSpace(data)) == 0 {
		return sum, false
	}
	return sha256.Sum256(data), true
}
