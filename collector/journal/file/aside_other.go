//go:build !linux || !(amd64 || arm64)

package file

import "os"

// aside is for kernels that it was tried with.
type aside struct{}

func newAside() *aside { return nil }

func (*aside) sync(*os.File) (tried bool, err error) { return false, nil }

func (*aside) close() {}
