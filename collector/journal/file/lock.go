package file

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockName is the file whose lock a process holds while it has the journal open.
const lockName = "lock"

// takeLock holds the directory for this Journal until the file is closed. The
// kernel gives the lock back when the process dies.
func takeLock(root *os.Root) (*os.File, error) {
	f, err := root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.New("it is in use by another process: each needs a journal directory of its own")
	}
	return nil, fmt.Errorf("lock: %w", err)
}
