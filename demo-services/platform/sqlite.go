package platform

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pressly/goose/v3"
	"go.opentelemetry.io/otel/trace"
	"modernc.org/sqlite" // also registers the driver "sqlite"
)

// sqliteEngine has one writer at a time: a write transaction is alone from its
// beginning, and what is appended is in the order in which it is committed.
var sqliteEngine = &engine{
	system:  "sqlite",
	dialect: goose.DialectSQLite3,
	native:  func(query string) string { return query },
	code: func(err error) string {
		if failure, ok := errors.AsType[*sqlite.Error](err); ok {
			return strconv.Itoa(failure.Code())
		}
		return ""
	},
	conflict:    func(error) bool { return false },
	lockAppends: "",
}

// openSQLite opens or creates a file in WAL mode. A committed transaction
// survives a crash of the process; a crash of the machine may cost the last few
// (synchronous=NORMAL).
func openSQLite(ctx context.Context, at Source, migrations fs.FS, tp trace.TracerProvider) (*DB, error) {
	pool, err := sqlitePool(at, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "cache_size(-512)"},
	})
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, pool, sqliteEngine, migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate database %s: %w", at.Name, err), pool.Close())
	}
	return newDB(pool, sqliteEngine, newQuerySpans(tp, sqliteEngine, at.Name)), nil
}

func readSQLite(at Source, tp trace.TracerProvider) (*DB, error) {
	if _, err := os.Stat(filepath.Join(at.Dir, at.Name+".db")); err != nil {
		return nil, fmt.Errorf("open database %s: %w", at.Name, err)
	}
	pool, err := sqlitePool(at, url.Values{"_txlock": {"deferred"}, "_pragma": {"busy_timeout(5000)", "query_only(1)"}})
	if err != nil {
		return nil, err
	}
	return newDB(pool, sqliteEngine, newQuerySpans(tp, sqliteEngine, at.Name)), nil
}

func sqlitePool(at Source, options url.Values) (*sql.DB, error) {
	file := url.URL{Path: filepath.Join(at.Dir, at.Name+".db")}
	dsn := url.URL{Scheme: "file", Opaque: file.EscapedPath(), RawQuery: options.Encode()}
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", at.Name, err)
	}
	// SQLite has one writer at a time, and those that find the file locked sleep
	// and try again, longer and longer. Waiting for the one connection is fair,
	// and quick: no statement takes long.
	pool.SetMaxOpenConns(1)
	return pool, nil
}
