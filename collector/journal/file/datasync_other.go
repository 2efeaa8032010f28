//go:build !linux

package file

import "os"

// datasync flushes the file as a whole.
func datasync(f *os.File) error { return f.Sync() }
