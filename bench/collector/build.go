package main

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
	"strings"
)

// binaries are the programs that are measured; other is another build of ours.
type binaries struct{ ours, other, passthrough, rival string }

// build builds ours and the proxy into dir. The rival is kept in the user's
// cache, since it takes a minute and more.
func build(ctx context.Context, dir string) (binaries, error) {
	root, err := run(ctx, ".", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/waybill-dev/waybill")
	if err != nil {
		return binaries{}, err
	}
	b := binaries{ours: filepath.Join(dir, "collector"), passthrough: filepath.Join(dir, "passthrough")}
	if _, err = goBuild(ctx, root, b.ours, "./cmd/collector"); err != nil {
		return binaries{}, err
	}
	if _, err = goBuild(ctx, root, b.passthrough, "./bench/passthrough"); err != nil {
		return binaries{}, err
	}
	b.rival, err = buildRival(ctx, filepath.Join(root, "bench", "otelcol"))
	return b, err
}

// buildRival builds the OpenTelemetry Collector, unless a binary is there that
// was made of the same sources, in a folder named after them.
func buildRival(ctx context.Context, source string) (string, error) {
	hash := sha256.New()
	_, _ = fmt.Fprintln(hash, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		content, err := os.ReadFile(filepath.Join(source, name)) //nolint:gosec // the module's own files
		if err != nil {
			return "", err
		}
		_, _ = fmt.Fprintf(hash, "%s %d\n%s", name, len(content), content)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache: %w", err)
	}
	path := filepath.Join(cache, "waybill", "bench", "otelcol-"+hex.EncodeToString(hash.Sum(nil))[:16], "otelcol")
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return "", err
	}
	fresh := path + ".partial"
	if _, err := goBuild(ctx, source, fresh, "."); err != nil {
		return "", err
	}
	return path, os.Rename(fresh, path)
}

// goBuild builds all programs in the same way, static and stripped.
func goBuild(ctx context.Context, dir, binary, pkg string) (string, error) {
	return run(ctx, dir, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, pkg)
}

func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // the commands are those above
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}
