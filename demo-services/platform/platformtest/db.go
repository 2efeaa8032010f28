// Package platformtest has what the tests of the shop's services need.
package platformtest

import (
	"io/fs"
	"testing"

	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/pgtest"
)

// OpenDB opens a service's database and closes it when the test ends. It is in
// dir, or of dir where it is on PostgreSQL: see pgtest.Main.
func OpenDB(t testing.TB, dir string, migrations func() (fs.FS, error)) *platform.DB {
	t.Helper()
	files, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	at := platform.Source{URL: pgtest.URL(t), Dir: dir, Name: pgtest.Name(dir)}
	db, err := platform.OpenDB(t.Context(), at, files, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
