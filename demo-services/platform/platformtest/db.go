// Package platformtest has what the tests of the shop's services need.
package platformtest

import (
	"io/fs"
	"testing"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// OpenDB opens a service's database in dir and closes it when the test ends.
func OpenDB(t testing.TB, dir string, migrations func() (fs.FS, error)) *platform.DB {
	t.Helper()
	files, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	db, err := platform.OpenDB(t.Context(), dir, "test", files, noop.NewTracerProvider())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
