package control

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/waybill-dev/waybill/demo-services/mesh"
)

// OpenTokens are the tokens of the services' invitations, each in a directory of
// the service's name within this one. The first time they are made. They stay,
// so that services join again after either has started again.
func OpenTokens(dir string, services []string) (map[string]string, error) {
	tokens := map[string]string{}
	for _, service := range services {
		if _, err := mesh.ID(service); err != nil {
			return nil, fmt.Errorf("open tokens: %w", err)
		}
		if err := os.MkdirAll(filepath.Join(dir, service), 0o700); err != nil {
			return nil, fmt.Errorf("open tokens: %w", err)
		}
		file := filepath.Join(dir, service, mesh.FileToken)
		text, err := os.ReadFile(filepath.Clean(file))
		if errors.Is(err, fs.ErrNotExist) {
			text = []byte(NewToken())
			err = replace(filepath.Join(dir, service), mesh.FileToken, text, 0o600)
		}
		if err != nil {
			return nil, fmt.Errorf("open tokens: %w", err)
		}
		tokens[service] = strings.TrimSpace(string(text))
	}
	return tokens, nil
}

// Invite lays out the rest of the invitations in the directory that OpenTokens
// was given: where the control plane is, and by what it is believed.
func (p *Plane) Invite(dir string) error {
	root, err := os.ReadFile(p.authority.CAFile())
	if err != nil {
		return fmt.Errorf("invite to the mesh: %w", err)
	}
	for service := range p.tokens {
		at := filepath.Join(dir, service)
		err := errors.Join(
			replace(at, mesh.FileCA, root, 0o644),
			replace(at, mesh.FileAddress, []byte(p.known+"\n"), 0o644),
		)
		if err != nil {
			return fmt.Errorf("invite %s to the mesh: %w", service, err)
		}
	}
	return nil
}

// replace writes a file that others may be about to read: they find it whole, or
// as it was before.
func replace(dir, name string, text []byte, mode fs.FileMode) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	err = root.WriteFile(name+".new", text, mode)
	if err == nil {
		err = root.Rename(name+".new", name)
	}
	return errors.Join(err, root.Close())
}
