// Package backend builds the real backends out of the Go module proxy, and
// says where the binaries are.
//
// Each backend is a Go module of its own under interop/backends, whose tool
// line names the command and whose go.sum pins every module of it.
package backend

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// Backend is one program that Waybill is tested against.
type Backend struct {
	// Name is the folder under interop/backends, and the binary's name.
	Name string
	// Package is the command's import path.
	Package string
}

// Jaeger is Jaeger 2: it stores traces in memory, and answers queries.
func Jaeger() Backend {
	return Backend{Name: "jaeger", Package: "github.com/jaegertracing/jaeger/cmd/jaeger"}
}

// Prometheus is Prometheus 3, without its pages.
func Prometheus() Backend {
	return Backend{Name: "prometheus", Package: "github.com/prometheus/prometheus/cmd/prometheus"}
}

// Loki is Loki 3: every part of it in one process.
func Loki() Backend {
	return Backend{Name: "loki", Package: "github.com/grafana/loki/v3/cmd/loki"}
}

// Mailpit is a mail server that delivers nothing and shows what it was given,
// without its pages.
func Mailpit() Backend {
	return Backend{Name: "mailpit", Package: "github.com/axllent/mailpit"}
}

// Promtool tests rules of Prometheus's.
func Promtool() Backend {
	return Backend{Name: "promtool", Package: "github.com/prometheus/prometheus/cmd/promtool"}
}

// All are the backends, in the order in which they are built.
func All() []Backend { return []Backend{Mailpit(), Jaeger(), Prometheus(), Promtool(), Loki()} }

// Binary is where the backend's binary belongs: a folder of the user's cache
// that is named after what the binary was made of, so that a binary that is
// there is the right one. It says whether the binary is there.
func (b Backend) Binary() (path string, built bool, err error) {
	key, err := b.key()
	if err != nil {
		return "", false, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", false, fmt.Errorf("find the user's cache: %w", err)
	}
	path = filepath.Join(cache, "waybill", "interop", b.Name+"-"+key, b.Name)
	_, err = os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, err
	}
	return path, err == nil, nil
}

// Build makes the binary unless it is there, and returns where it is and how
// long it took: zero if it was there. Two builds at once do each other no harm.
func (b Backend) Build(ctx context.Context) (path string, took time.Duration, err error) {
	path, built, err := b.Binary()
	if err != nil || built {
		return path, 0, err
	}
	source, err := b.source()
	if err != nil {
		return "", 0, err
	}
	start := time.Now()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return "", 0, err
	}
	partial, err := os.MkdirTemp(filepath.Dir(path), "partial-")
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(partial)) }()
	fresh := filepath.Join(partial, b.Name)
	args := append([]string{"build"}, flags()...)
	cmd := exec.CommandContext(ctx, "go", append(args, "-o", fresh, b.Package)...) //nolint:gosec // the packages are named above
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", 0, fmt.Errorf("build %s: %w\n%s", b.Name, err, out)
	}
	if err := os.Rename(fresh, path); err != nil {
		return "", 0, err
	}
	return path, time.Since(start), nil
}

// flags make the binary small, and the same in every checkout.
func flags() []string { return []string{"-trimpath", "-ldflags=-s -w"} }

// key stands for everything that the binary depends on.
func (b Backend) key() (string, error) {
	source, err := b.source()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	_, _ = fmt.Fprintln(hash, runtime.Version(), runtime.GOOS, runtime.GOARCH, b.Package, flags())
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(source, name)) //nolint:gosec // the module's own files
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(hash, "%s %d\n%s", name, len(content), content)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16], nil
}

// source is the folder of the backend's module. It is looked for from the
// working folder upwards, since a test runs in its package's folder.
func (b Backend) source() (string, error) {
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		dir := filepath.Join(at, "backends", b.Name)
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(at)
		if up == at {
			return "", fmt.Errorf("no backends/%s at or above the working folder: run inside interop/", b.Name)
		}
		at = up
	}
}
