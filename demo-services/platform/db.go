package platform

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/waybill-dev/waybill/middleware/sqlmw"
)

// DB is one service's own database. Safe for concurrent use.
type DB struct {
	Conn
	pool  *sql.DB
	close func() error
	tx    *sql.TxOptions
	hook  *hook
}

// engine is what the kinds of databases differ in, but for their schemas.
type engine struct {
	// system is its name by the conventions for spans, and of the folder of its
	// migrations.
	system  string
	dialect goose.Dialect
	// native makes a statement with ? for each argument one of the engine's.
	native func(query string) string
	// code is the engine's own of an error, or empty.
	code func(error) string
	// conflict says whether a transaction has failed only because of another one.
	conflict func(error) bool
	tx       *sql.TxOptions
	// lockAppends takes the name of a table; see Conn.LockAppends. Empty: no need.
	lockAppends string
}

// openPool opens a database whose statements are observed, unless there is no
// telemetry. The options say which database it is.
func openPool(e *engine, connector driver.Connector, telemetry sqlmw.Telemetry, about ...sqlmw.Option) (*DB, error) {
	db := &DB{tx: e.tx, hook: &hook{}}
	connector = hooked{connector, db.hook}
	if telemetry == nil {
		db.pool = sql.OpenDB(connector)
		db.close = db.pool.Close
	} else {
		observed, err := sqlmw.OpenDB(connector, append(about, sqlmw.WithTelemetry(telemetry))...)
		if err != nil {
			return nil, err
		}
		db.pool, db.close = observed.DB, observed.Close
	}
	db.Conn = Conn{on: db.pool, engine: e}
	return db, nil
}

// Close waits for running statements and closes the database.
func (db *DB) Close() error { return db.close() }

// BeforeStatements has something happen before each statement that is part of
// a trace, as a part of its span. It is called before the database is used.
func (db *DB) BeforeStatements(before func(context.Context)) { db.hook.before = before }

// Ping says whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.pool.PingContext(ctx) }

const (
	// firstRetry and lastRetry bound how long a transaction waits, at most, that
	// another has got in the way of: a fair share of others' work.
	firstRetry = 2 * time.Millisecond
	lastRetry  = 64 * time.Millisecond
)

// InTx runs work in one write transaction, commits it if work returns nil and
// rolls it back otherwise. Work must use the Conn that it is given. Transactions
// are as if they ran one after the other; where the database finds that two could
// not have, work is run again, so it must leave nothing behind but in the database
// and what it sets anew each time.
func (db *DB) InTx(ctx context.Context, work func(*Conn) error) error {
	for wait := firstRetry; ; wait = min(2*wait, lastRetry) {
		err := db.try(ctx, work)
		if err == nil || !db.engine.conflict(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(rand.N(wait)): //nolint:gosec // Who waits for how long is no secret.
		}
	}
}

func (db *DB) try(ctx context.Context, work func(*Conn) error) error {
	tx, err := db.pool.BeginTx(ctx, db.tx)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if err := work(&Conn{on: tx, engine: db.engine}); err != nil {
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

// Conn runs statements, on the database or inside a transaction. Statements have
// a ? for each argument, whatever the database, and are SQL that all of them know.
type Conn struct {
	on     statements
	engine *engine
}

// LockAppends keeps others from adding rows to the table until the transaction
// ends, so that rows that number themselves are seen in the order of their numbers.
func (c *Conn) LockAppends(ctx context.Context, table string) error {
	if c.engine.lockAppends == "" {
		return nil
	}
	_, err := c.Exec(ctx, c.engine.lockAppends, table)
	return err
}

// Exec runs one statement and returns how many rows it changed.
func (c *Conn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	query = c.engine.native(query)
	result, err := c.on.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", sqlmw.Summary(query), err)
	}
	return result.RowsAffected()
}

// Scan reads the current row's columns, as sql.Rows.Scan does.
type Scan func(dest ...any) error

// Query calls each for every row. Each must not run another statement on the
// same Conn.
func (c *Conn) Query(ctx context.Context, each func(Scan) error, query string, args ...any) error {
	query = c.engine.native(query)
	if err := c.rows(ctx, each, query, args); err != nil {
		return fmt.Errorf("%s: %w", sqlmw.Summary(query), err)
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

func (c *Conn) rows(ctx context.Context, each func(Scan) error, query string, args []any) (err error) {
	rows, err := c.on.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
