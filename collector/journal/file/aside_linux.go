//go:build amd64 || arm64

package file

import (
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// aside has the kernel sync a file in a thread of its own, while the goroutine
// that asks for it sleeps as if it read a connection (io_submit with
// IOCB_CMD_FDSYNC, whose end an eventfd tells). A goroutine in fdatasync would keep
// its processor, and the runtime's monitor would look every 20 µs whether to take
// that away, for as long as the disk takes.
//
// There is none where the kernel has no such calls, or does not let us use them.
// It is safe for concurrent use, and syncs one file at a time.
type aside struct {
	mu      sync.Mutex
	unfit   bool // the kernel has refused
	context uintptr
	signal  *os.File // the eventfd, which is never read: each signal wakes anew
	wait    syscall.RawConn
	request iocb
	list    [1]*iocb
	result  ioEvent
}

// iocb is struct iocb of linux/aio_abi.h. What an fdsync has no use for is zero.
type iocb struct {
	_               [2]uint64 // what comes back with the event, a key, and flags of a read or write
	opcode, _       uint16
	fd              uint32
	_               [4]uint64 // of a read or write
	flags, signalFD uint32
}

// ioEvent is struct io_event of linux/aio_abi.h.
type ioEvent struct {
	_         [2]uint64
	result, _ int64 // the result is zero or the negative number of an error
}

const (
	fdsync     = 3 // IOCB_CMD_FDSYNC
	signalDone = 1 // IOCB_FLAG_RESFD
)

// newAside is nil where there is none.
func newAside() *aside {
	a := &aside{}
	a.list[0] = &a.request
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&a.context)), 0); errno != 0 { //nolint:gosec // There is no other way to call it.
		return nil
	}
	if _, errno := a.events(0); errno != 0 { // It is asked for before anything depends on it.
		a.close()
		return nil
	}
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		a.close()
		return nil
	}
	a.signal = os.NewFile(uintptr(fd), "eventfd")
	if a.wait, err = a.signal.SyscallConn(); err != nil {
		a.close()
		return nil
	}
	a.request = iocb{opcode: fdsync, flags: signalDone, signalFD: uint32(fd)}
	return a
}

// sync is an fdatasync. Where it could not be asked for, tried is false.
func (a *aside) sync(f *os.File) (tried bool, err error) {
	if a == nil || !a.mu.TryLock() {
		return false, nil
	}
	defer a.mu.Unlock()
	if a.unfit || !a.submit(f) {
		return false, nil
	}
	// When there is no sleeping, there is waiting.
	if a.wait.Read(func(uintptr) bool { return a.reap(0) }) != nil {
		for !a.reap(1) {
			continue
		}
	}
	if a.result.result < 0 {
		return true, os.NewSyscallError("fdatasync", syscall.Errno(-a.result.result))
	}
	return true, nil
}

func (a *aside) submit(f *os.File) bool {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	var errno syscall.Errno
	err = conn.Control(func(fd uintptr) {
		a.request.fd = uint32(fd)
		_, _, errno = unix.Syscall(unix.SYS_IO_SUBMIT, a.context, 1, uintptr(unsafe.Pointer(&a.list))) //nolint:gosec // There is no other way to call it.
	})
	a.unfit = errno != 0 && errno != unix.EAGAIN
	return err == nil && errno == 0
}

// reap says whether the sync is over. With one as the least it waits for that.
func (a *aside) reap(least uintptr) bool {
	n, errno := a.events(least)
	if errno != 0 && errno != unix.EINTR {
		panic("BUG: the journal waits for a sync that the kernel does not know: " + errno.Error())
	}
	return errno == 0 && n == 1
}

// events takes the end of a sync, and says how many that were.
func (a *aside) events(least uintptr) (uintptr, syscall.Errno) {
	n, _, errno := unix.Syscall6(unix.SYS_IO_GETEVENTS, a.context, least, 1, uintptr(unsafe.Pointer(&a.result)), 0, 0) //nolint:gosec // There is no other way to call it.
	return n, errno
}

// close ends the use of what newAside took.
func (a *aside) close() {
	if a == nil {
		return
	}
	_, _, _ = unix.Syscall(unix.SYS_IO_DESTROY, a.context, 0, 0) // Nothing is under way.
	if a.signal != nil {
		_ = a.signal.Close() // It holds nothing.
	}
}
