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

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// DB is one service's own SQLite database: a file in WAL mode. A committed
// transaction survives a crash of the process; a crash of the machine may cost
// the last few (synchronous=NORMAL). Safe for concurrent use.
type DB struct {
	Conn
	pool *sql.DB
}

// OpenDB opens or creates dir/name.db and brings its schema up to the newest
// of the migrations (see migrate). Statements that run inside a trace become
// spans of the tracer provider; polling, which has no trace, makes none.
func OpenDB(ctx context.Context, dir, name string, migrations fs.FS, tp trace.TracerProvider) (*DB, error) {
	file := url.URL{Path: filepath.Join(dir, name+".db")}
	dsn := url.URL{Scheme: "file", Opaque: file.EscapedPath()}
	dsn.RawQuery = url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "cache_size(-512)"},
	}.Encode()
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", name, err)
	}
	// SQLite has one writer at a time, and those that find the file locked sleep
	// and try again, longer and longer. Waiting for the one connection is fair,
	// and quick: no statement takes long.
	pool.SetMaxOpenConns(1)
	if err := migrate(ctx, pool, migrations); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate database %s: %w", name, err), pool.Close())
	}
	return &DB{pool: pool, Conn: Conn{on: pool, spans: newQuerySpans(tp, name)}}, nil
}

// OpenDBToRead opens dir/name.db, which must be there, as it is: statements can
// change nothing, transactions are short views of one moment and hold nobody up,
// and there are no spans. The service whose it is may be running.
func OpenDBToRead(dir, name string) (*DB, error) {
	path := filepath.Join(dir, name+".db")
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open database %s: %w", name, err)
	}
	file := url.URL{Path: path}
	dsn := url.URL{Scheme: "file", Opaque: file.EscapedPath()}
	dsn.RawQuery = url.Values{"_txlock": {"deferred"}, "_pragma": {"busy_timeout(5000)", "query_only(1)"}}.Encode()
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", name, err)
	}
	pool.SetMaxOpenConns(1)
	return &DB{pool: pool, Conn: Conn{on: pool, spans: newQuerySpans(noop.NewTracerProvider(), name)}}, nil
}

// Close waits for running statements and closes the file.
func (db *DB) Close() error { return db.pool.Close() }

// BeforeStatements has something happen before each statement that is part of
// a trace, as a part of its span. It is called before the database is used.
func (db *DB) BeforeStatements(before func(context.Context)) { db.spans.before = before }

// Ping says whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.pool.PingContext(ctx) }

// InTx runs work in one write transaction, commits it if work returns nil and
// rolls it back otherwise. Work must use the Conn that it is given.
func (db *DB) InTx(ctx context.Context, work func(*Conn) error) error {
	tx, err := db.pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if err := work(&Conn{on: tx, spans: db.spans}); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	return nil
}

// statements is what *sql.DB and *sql.Tx have in common.
type statements interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Conn runs statements, on the database or inside a transaction.
type Conn struct {
	on    statements
	spans *querySpans
}

// Exec runs one statement and returns how many rows it changed.
func (c *Conn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx, end := c.spans.start(ctx, query)
	result, err := c.on.ExecContext(ctx, query, args...)
	end(-1, err)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", summarize(query), err)
	}
	return result.RowsAffected()
}

// Scan reads the current row's columns, as sql.Rows.Scan does.
type Scan func(dest ...any) error

// Query calls each for every row. Each must not run another statement on the
// same Conn.
func (c *Conn) Query(ctx context.Context, each func(Scan) error, query string, args ...any) error {
	ctx, end := c.spans.start(ctx, query)
	n, err := c.rows(ctx, each, query, args)
	end(n, err)
	if err != nil {
		return fmt.Errorf("%s: %w", summarize(query), err)
	}
	return nil
}

// QueryRow reads the first row into dest; without a row it returns sql.ErrNoRows.
func (c *Conn) QueryRow(ctx context.Context, dest []any, query string, args ...any) error {
	found := false
	err := c.Query(ctx, func(scan Scan) error {
		if found {
			return nil
		}
		found = true
		return scan(dest...)
	}, query, args...)
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

func (c *Conn) rows(ctx context.Context, each func(Scan) error, query string, args []any) (n int, err error) {
	rows, err := c.on.QueryContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}
