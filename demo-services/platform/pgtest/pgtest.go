// Package pgtest has the tests of a package run on both databases: SQLite, and a
// PostgreSQL server of its own, which it starts for them.
package pgtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"sync"
	"testing"
)

// instance is what the tests of this process run on. The zero value is SQLite.
type instance struct {
	mu     sync.Mutex
	on     bool
	server *server
	// missing is why there is no server.
	missing error
}

var current instance

// Main runs a package's tests on SQLite and, if they pass, on PostgreSQL. It is
// what TestMain does. The server is started for the first test that asks for it.
func Main(m *testing.M) {
	if m.Run() != 0 {
		return
	}
	current.mu.Lock()
	current.on = true
	current.mu.Unlock()
	m.Run()
	current.mu.Lock()
	defer current.mu.Unlock()
	if current.server != nil {
		if err := current.server.stop(); err != nil {
			panic(fmt.Errorf("stop PostgreSQL: %w", err))
		}
	}
}

// OnPostgreSQL says whether tests run on PostgreSQL by now.
func OnPostgreSQL() bool {
	current.mu.Lock()
	defer current.mu.Unlock()
	return current.on
}

// URL is of the server's database while tests run on PostgreSQL, and empty
// before. Where there is no server the test stands aside, but in CI it fails.
func URL(t testing.TB) string {
	t.Helper()
	current.mu.Lock()
	defer current.mu.Unlock()
	if !current.on {
		return ""
	}
	if current.server == nil && current.missing == nil {
		current.server, current.missing = start()
	}
	switch {
	case current.missing == nil:
		return current.server.url
	case os.Getenv("CI") != "":
		t.Fatal(current.missing)
	default:
		t.Skipf("%v; install PostgreSQL (Debian: apt-get install postgresql) to run this on it, too", current.missing)
	}
	return ""
}

// Name is of a database that is dir's alone, as a file in it would be: tests
// share the server.
func Name(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "test_" + hex.EncodeToString(sum[:8])
}
