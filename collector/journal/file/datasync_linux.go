package file

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync flushes content and size, but not times: one journal commit of the
// file system less than fsync. An interrupted call is repeated.
func datasync(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		syncErr = unix.EINTR
		for syncErr == unix.EINTR {
			syncErr = unix.Fdatasync(int(fd))
		}
	})
	if err != nil {
		return err
	}
	if syncErr != nil {
		return os.NewSyscallError("fdatasync", syncErr)
	}
	return nil
}
