package mesh

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Files of an invitation: the directory that the control plane lays out for a
// service, by which the service joins. FileToken is a secret.
const (
	FileAddress = "address" // the control plane's, as host:port
	FileCA      = "ca.pem"  // what its certificate is believed by
	FileToken   = "token"   // proves which service it is
)

// ReadInvitation is the configuration of who joins by the invitation in the
// directory. The error is fs.ErrNotExist while the control plane has not laid it
// out.
func ReadInvitation(dir string) (Config, error) {
	config := Config{CAFile: filepath.Join(dir, FileCA)}
	if _, err := os.Stat(config.CAFile); err != nil {
		return Config{}, fmt.Errorf("read invitation to the mesh: %w", err)
	}
	for name, value := range map[string]*string{FileAddress: &config.Address, FileToken: &config.Token} {
		text, err := os.ReadFile(filepath.Clean(filepath.Join(dir, name)))
		if err != nil {
			return Config{}, fmt.Errorf("read invitation to the mesh: %w", err)
		}
		if *value = strings.TrimSpace(string(text)); *value == "" {
			return Config{}, fmt.Errorf("read invitation to the mesh: %s is empty", filepath.Join(dir, name))
		}
	}
	return config, nil
}

// AwaitInvitation is ReadInvitation for those who may start before the control
// plane has for the first time. It waits as long as the context lasts.
func AwaitInvitation(ctx context.Context, dir string, logger *slog.Logger) (Config, error) {
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for waiting := false; ; waiting = true {
		config, err := ReadInvitation(dir)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return config, err
		}
		if !waiting {
			logger.WarnContext(ctx, "there is no invitation to the mesh, and it is waited for", "dir", dir, "error", err)
		}
		select {
		case <-ctx.Done():
			return Config{}, errors.Join(err, ctx.Err())
		case <-again.C:
		}
	}
}
