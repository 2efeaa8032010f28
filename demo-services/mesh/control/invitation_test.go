package control

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/registry"
)

// TestInvitations has them laid out, and again by a control plane that has
// started again elsewhere.
func TestInvitations(t *testing.T) {
	authority, err := OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir, services := t.TempDir(), []string{"order", "payment"}
	order := filepath.Join(dir, "order")
	var tokens []map[string]string
	for _, hosts := range [][]string{nil, {"mesh.example", "10.0.0.1"}} {
		config := DefaultConfig()
		config.Hosts = hosts
		if config.Tokens, err = OpenTokens(dir, services); err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, config.Tokens)
		if _, err := mesh.ReadInvitation(order); hosts == nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("half an invitation: %v", err)
		}
		plane, err := Start(t.Context(), config, authority, emptyDirectory{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		err = plane.Invite(dir)
		plane.Close()
		if err != nil {
			t.Fatal(err)
		}
		want := mesh.Config{Address: plane.known, CAFile: filepath.Join(order, mesh.FileCA), Token: config.Tokens["order"]}
		got, err := mesh.ReadInvitation(order)
		if diff := cmp.Diff(want.Address+want.CAFile+want.Token, got.Address+got.CAFile+got.Token); diff != "" || err != nil {
			t.Errorf("%v, invitation (-want +got):\n%s", err, diff)
		}
	}
	if diff := cmp.Diff(tokens[0], tokens[1]); diff != "" || len(tokens[0]["order"]) < 16 || tokens[0]["order"] == tokens[0]["payment"] {
		t.Errorf("the second time there are other tokens:\n%s", diff)
	}
	for file, mode := range map[string]fs.FileMode{order: 0o700, filepath.Join(order, mesh.FileToken): 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want %v", file, info, err, mode)
		}
	}
	if err := os.WriteFile(filepath.Join(order, mesh.FileToken), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := mesh.ReadInvitation(order); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty token: %v", err)
	}
	if _, err := OpenTokens(dir, []string{"../order"}); err == nil {
		t.Error("a token was made outside the directory")
	}
}

// emptyDirectory knows nobody.
type emptyDirectory struct{}

func (emptyDirectory) Instances(string) ([]registry.Instance, <-chan struct{}) { return nil, nil }
