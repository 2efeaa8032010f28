package platform

import (
	"context"
	"io/fs"

	"github.com/waybill-dev/waybill/middleware/sqlmw"
)

// Source says where a service's database is.
type Source struct {
	// URL names a database of a PostgreSQL server, as postgres://… does. Services
	// may share it: each keeps to a schema that has its name. It may hold a
	// password, so it is in no log. Without it the database is SQLite's.
	URL string
	// Dir is where SQLite's file is; it must exist.
	Dir string
	// Name is the service's.
	Name string
}

// Source is where the database of the service with the name is.
func (c Config) Source(name string) Source {
	return Source{URL: c.Database, Dir: c.DataDir, Name: name}
}

// OpenDB opens or creates the database and brings its schema up to the newest
// of the migrations (see migrate). Statements are observed by the telemetry, nil
// being none: those that run inside a trace become spans; polling, which has no
// trace, makes none.
func OpenDB(ctx context.Context, at Source, migrations fs.FS, telemetry sqlmw.Telemetry) (*DB, error) {
	if at.URL != "" {
		return openPostgreSQL(ctx, at, migrations, telemetry)
	}
	return openSQLite(ctx, at, migrations, telemetry)
}

// OpenDBToRead opens a database, which must be there, as it is: statements can
// change nothing, transactions are views of one moment and hold nobody up, and
// nothing is observed. The service whose it is may be running.
func OpenDBToRead(ctx context.Context, at Source) (*DB, error) {
	if at.URL != "" {
		return readPostgreSQL(ctx, at)
	}
	return readSQLite(at)
}
