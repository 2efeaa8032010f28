package platform

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // also registers the driver "sqlite"

	"github.com/waybill-dev/waybill/middleware/sqlmw"
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
func openSQLite(ctx context.Context, at Source, migrations fs.FS, telemetry sqlmw.Telemetry) (*DB, error) {
	connector, err := sqliteConnector(at, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "cache_size(-512)"},
	})
	if err != nil {
		return nil, err
	}
	pool := sql.OpenDB(connector)
	pool.SetMaxOpenConns(1)
	if err := errors.Join(migrate(ctx, pool, sqliteEngine, migrations), pool.Close()); err != nil {
		return nil, fmt.Errorf("migrate database %s: %w", at.Name, err)
	}
	return sqlitePool(at, connector, telemetry)
}

func readSQLite(at Source) (*DB, error) {
	if _, err := os.Stat(filepath.Join(at.Dir, at.Name+".db")); err != nil {
		return nil, fmt.Errorf("open database %s: %w", at.Name, err)
	}
	connector, err := sqliteConnector(at, url.Values{"_txlock": {"deferred"}, "_pragma": {"busy_timeout(5000)", "query_only(1)"}})
	if err != nil {
		return nil, err
	}
	return sqlitePool(at, connector, nil)
}

func sqlitePool(at Source, connector driver.Connector, telemetry sqlmw.Telemetry) (*DB, error) {
	db, err := openPool(sqliteEngine, connector, telemetry, sqlmw.WithDatabase(sqliteEngine.system, at.Name))
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", at.Name, err)
	}
	// SQLite has one writer at a time, and those that find the file locked sleep
	// and try again, longer and longer. Waiting for the one connection is fair,
	// and quick: no statement takes long.
	db.pool.SetMaxOpenConns(1)
	return db, nil
}

// sqliteFile opens connections to one file.
type sqliteFile struct {
	driver driver.Driver
	source string
}

func sqliteConnector(at Source, options url.Values) (driver.Connector, error) {
	file := url.URL{Path: filepath.Join(at.Dir, at.Name+".db")}
	source := url.URL{Scheme: "file", Opaque: file.EscapedPath(), RawQuery: options.Encode()}
	// This opens nothing; it is how one comes by the driver.
	registered, err := sql.Open("sqlite", source.String())
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", at.Name, err)
	}
	return sqliteFile{registered.Driver(), source.String()}, registered.Close()
}

// Connect implements driver.Connector.
func (f sqliteFile) Connect(context.Context) (driver.Conn, error) { return f.driver.Open(f.source) }

// Driver implements driver.Connector.
func (f sqliteFile) Driver() driver.Driver { return f.driver }
