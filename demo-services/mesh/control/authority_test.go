package control

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/demo-services/mesh"
)

func TestAuthorityStays(t *testing.T) {
	dir := t.TempDir()
	first, err := OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.root.Raw, second.root.Raw) {
		t.Error("the authority is another")
	}
	info, err := os.Stat(filepath.Join(dir, "ca-key.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file is %v, %v", info.Mode(), err)
	}
	if _, _, err := first.Issue("no/service", time.Hour); err == nil {
		t.Error("a certificate was made for no service")
	}
	if err := os.WriteFile(filepath.Join(dir, "ca-key.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenAuthority(dir); err == nil || !strings.Contains(err.Error(), "ca-key.pem") {
		t.Errorf("a broken key: %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	authority, err := OpenAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"host name":      func(c *Config) { c.Listen = "localhost:0" },
		"all addresses":  func(c *Config) { c.Listen = "0.0.0.0:0" },
		"no host":        func(c *Config) { c.Hosts = []string{""} },
		"two hosts":      func(c *Config) { c.Hosts = []string{"mesh mesh.example"} },
		"host and port":  func(c *Config) { c.Hosts = []string{"mesh:9007"} },
		"short lifetime": func(c *Config) { c.Lifetime = time.Second },
		"service":        func(c *Config) { c.Routes = []Route{{Service: "A B"}} },
		"method":         func(c *Config) { c.Routes = []Route{{Service: "a", Idempotent: []string{"/x"}}} },
		"no weight":      func(c *Config) { c.Routes = []Route{{Service: "a", Split: map[string]uint32{"v1": 0}}} },
		"no version":     func(c *Config) { c.Routes = []Route{{Service: "a", Split: map[string]uint32{"": 1}}} },
		"token":          func(c *Config) { c.Tokens = map[string]string{"a": "guess"} },
		"token's owner":  func(c *Config) { c.Tokens = map[string]string{"": NewToken()} },
	} {
		config := DefaultConfig()
		spoil(&config)
		plane, err := Start(t.Context(), config, authority, nil, slog.New(slog.DiscardHandler))
		if err == nil {
			plane.Close()
			t.Errorf("%s: it starts", name)
		}
	}
	if mesh.ServiceOf(mesh.TrustDomain.ID()) != "" {
		t.Error("the trust domain is a service")
	}
}
