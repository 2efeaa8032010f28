package file

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/waybill-dev/waybill/collector/journal"
)

// maxIdleFiles is how many segment files stay open for reading while nobody
// reads them.
const maxIdleFiles = 128

// handle is an open file of the journal. All that the journal writes to
// segments and cursors passes through it, so that a test can put a disk in its
// place that is full, tears writes or fails to sync.
type handle interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	// Sync returns when the file's content, and its size, are on stable storage.
	Sync() error
}

// openFunc opens a file below root.
type openFunc func(root *os.Root, name string, flag int) (handle, error)

// osFile is the handle of a real file.
type osFile struct{ *os.File }

// Sync implements handle by fdatasync where there is one.
func (f osFile) Sync() error { return datasync(f.File) }

func openFile(root *os.Root, name string, flag int) (handle, error) {
	f, err := root.OpenFile(name, flag, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// disk is the journal's directory.
type disk struct {
	root *os.Root
	open openFunc
}

// syncDir makes the entries of a directory below the root durable.
func (d disk) syncDir(name string) error {
	dir, err := d.open(d.root, name, os.O_RDONLY)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// diskError wraps an error of writing; lack of space becomes journal.ErrFull.
func diskError(doing string, err error) error {
	if outOfSpace(err) {
		return fmt.Errorf("%s: %w: %w", doing, journal.ErrFull, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func outOfSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
