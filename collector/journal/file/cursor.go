package file

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/waybill-dev/waybill/collector/journal"
)

// A cursor file has two slots of 32 bytes, at 0 and at 4096:
//
//	 0  4  "WBCU"
//	 4  4  CRC-32C of bytes 8 to 32
//	 8  8  sequence, one higher with each commit
//	16  8  the cursor: everything before this offset is done
//	24  8  zero
//
// A commit overwrites the older slot, so that a torn write leaves the newer
// one. It needs no space that the file does not have: a full disk cannot keep a
// reader from passing records, and so from making room.
const (
	cursorDir   = "cursors"
	cursorMagic = "WBCU"
	slotSize    = 32
	slotStride  = 4096
	maxName     = 64
)

// cursor is a named reader's place.
type cursor struct {
	name string
	next journal.Offset // guarded by Journal.mu

	mu    sync.Mutex
	file  handle
	seq   uint64 // of the newer slot, which is the one at seq % 2
	dirty bool   // not synced yet
}

// validName holds reader names to what is safe in a file name.
func validName(name string) bool {
	if name == "" || len(name) > maxName || name[0] == '.' {
		return false
	}
	for _, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// createCursor makes the file of a new reader, durable with its name.
func createCursor(d disk, name string, next journal.Offset, mode SyncMode) (*cursor, error) {
	file, err := d.open(d.root, path.Join(cursorDir, name), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("create cursor: %w", err)
	}
	c := &cursor{name: name, next: next, file: file}
	err = errors.Join(c.write(next), c.write(next))
	if err == nil && mode != SyncNever {
		err = errors.Join(c.sync(), d.syncDir(cursorDir))
	}
	if err != nil {
		return nil, diskError("create cursor", errors.Join(err, file.Close(), c.unlink(d)))
	}
	return c, nil
}

// errCursorDamaged says that no slot of a cursor file is intact.
var errCursorDamaged = errors.New("cursor file is damaged")

// openCursor reads the cursor of that name. With errCursorDamaged the cursor
// can be used; its next is 0.
func openCursor(d disk, name string) (*cursor, error) {
	file, err := d.open(d.root, path.Join(cursorDir, name), os.O_RDWR)
	if err != nil {
		return nil, fmt.Errorf("open cursor: %w", err)
	}
	c := &cursor{name: name, file: file}
	intact := false
	for slot := range int64(2) {
		seq, next, ok := readSlot(file, slot*slotStride)
		if ok && (!intact || seq > c.seq) {
			c.seq, c.next, intact = seq, next, true
		}
	}
	if !intact {
		return c, errCursorDamaged
	}
	return c, nil
}

// readSlot returns what an intact slot holds.
func readSlot(src io.ReaderAt, at int64) (seq uint64, next journal.Offset, ok bool) {
	var b [slotSize]byte
	le := binary.LittleEndian
	if _, err := src.ReadAt(b[:], at); err != nil {
		return 0, 0, false
	}
	if string(b[:4]) != cursorMagic || le.Uint32(b[4:]) != crc32.Checksum(b[8:], castagnoli()) {
		return 0, 0, false
	}
	return le.Uint64(b[8:]), journal.Offset(le.Uint64(b[16:])), le.Uint64(b[16:]) < maxOffset
}

// write puts next into the older slot.
func (c *cursor) write(next journal.Offset) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		return journal.ErrClosed
	}
	var b [slotSize]byte
	le := binary.LittleEndian
	copy(b[:], cursorMagic)
	le.PutUint64(b[8:], c.seq+1)
	le.PutUint64(b[16:], uint64(next))
	le.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli()))
	if _, err := c.file.WriteAt(b[:], int64((c.seq+1)%2)*slotStride); err != nil {
		return fmt.Errorf("write cursor: %w", err)
	}
	c.seq++
	c.dirty = true
	return nil
}

// sync makes the last write durable.
func (c *cursor) sync() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dirty || c.file == nil {
		return nil
	}
	if err := c.file.Sync(); err != nil {
		return fmt.Errorf("sync cursor: %w", err)
	}
	c.dirty = false
	return nil
}

// close syncs and closes the file. Closing twice does nothing.
func (c *cursor) close(mode SyncMode) error {
	var err error
	if mode != SyncNever {
		err = c.sync()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		return err
	}
	file := c.file
	c.file = nil
	return errors.Join(err, file.Close())
}

// remove deletes the file. With an error it is there still, and so is the
// cursor, as good as before.
func (c *cursor) remove(d disk) error {
	if err := c.unlink(d); err != nil {
		return err
	}
	_ = c.close(SyncNever) // There is nothing left to lose.
	return nil
}

func (c *cursor) unlink(d disk) error {
	err := d.root.Remove(path.Join(cursorDir, c.name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// syncCursors makes every committed cursor durable.
func (j *Journal) syncCursors() {
	j.mu.Lock()
	cursors := make([]*cursor, 0, len(j.cursors))
	for _, c := range j.cursors {
		cursors = append(cursors, c)
	}
	j.mu.Unlock()
	for _, c := range cursors {
		if err := c.sync(); err != nil {
			j.logger.Error("journal cannot sync a cursor", "reader", c.name, "error", err)
		}
	}
}
