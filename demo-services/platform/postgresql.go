package platform

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/waybill-dev/waybill/middleware/sqlmw"
)

const (
	// maxConns is how many connections an instance of a service has at most; a
	// server takes a hundred unless it is told otherwise.
	maxConns = 8
	// maxConnIdle is when a connection that nobody needs is closed.
	maxConnIdle = 5 * time.Minute
	// Two of the errors of PostgreSQL: transactions that could not have run one
	// after the other, or wait for each other.
	serializationFailure, deadlockDetected = "40001", "40P01"
)

// postgresEngine runs transactions side by side and as if they ran one after
// the other; one that would show is rolled back, and DB.InTx runs it again.
var postgresEngine = &engine{
	system:  "postgresql",
	dialect: goose.DialectPostgres,
	native:  numberPlaceholders,
	code:    sqlState,
	conflict: func(err error) bool {
		code := sqlState(err)
		return code == serializationFailure || code == deadlockDetected
	},
	tx: &sql.TxOptions{Isolation: sql.LevelSerializable},
	// Sequences are no part of transactions: without the lock a higher number may
	// be seen before a lower one.
	lockAppends: "SELECT pg_advisory_xact_lock(to_regclass(?)::oid::bigint)",
}

// openPostgreSQL opens the service's schema, which it creates unless it is there.
// Instances may do so at once.
func openPostgreSQL(ctx context.Context, at Source, migrations fs.FS, telemetry sqlmw.Telemetry) (*DB, error) {
	config, err := postgresConfig(at)
	if err != nil {
		return nil, err
	}
	if err := migratePostgreSQL(ctx, config, at.Name, migrations); err != nil {
		return nil, fmt.Errorf("migrate database %s: %w", at.Name, err)
	}
	return postgresPool(at, config, telemetry)
}

func readPostgreSQL(ctx context.Context, at Source) (*DB, error) {
	config, err := postgresConfig(at)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["default_transaction_read_only"] = "on"
	db, err := postgresPool(at, config, nil)
	if err != nil {
		return nil, err
	}
	db.tx = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	var there bool
	err = db.QueryRow(ctx, []any{&there}, "SELECT to_regnamespace(?) IS NOT NULL", schemaOf(at.Name))
	if err == nil && !there {
		err = fmt.Errorf("open database %s: %w", at.Name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// postgresConfig reads the URL. Its errors do not have what may be in it.
func postgresConfig(at Source) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(at.URL)
	if err != nil {
		return nil, fmt.Errorf("open database %s: its URL is not one of PostgreSQL", at.Name)
	}
	config.RuntimeParams["search_path"] = schemaOf(at.Name)
	config.RuntimeParams["application_name"] = at.Name
	return config, nil
}

// schemaOf is the name of the service's schema, quoted: two services are called
// as words of SQL are.
func schemaOf(name string) string { return pgx.Identifier{name}.Sanitize() }

func postgresPool(at Source, config *pgx.ConnConfig, telemetry sqlmw.Telemetry) (*DB, error) {
	port := 0
	if network, _ := pgconn.NetworkAddress(config.Host, config.Port); network == "tcp" {
		port = int(config.Port)
	}
	db, err := openPool(postgresEngine, stdlib.GetConnector(*config), telemetry,
		sqlmw.WithDatabase(postgresEngine.system, config.Database+"|"+at.Name), sqlmw.WithServer(config.Host, port))
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", at.Name, err)
	}
	db.pool.SetMaxOpenConns(maxConns)
	db.pool.SetMaxIdleConns(maxConns)
	db.pool.SetConnMaxIdleTime(maxConnIdle)
	return db, nil
}

// migratePostgreSQL holds a lock on the schema's name meanwhile: whoever comes
// second finds everything done.
func migratePostgreSQL(ctx context.Context, config *pgx.ConnConfig, name string, migrations fs.FS) (err error) {
	pool := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, pool.Close()) }()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// The lock ends with the connection, which the pool closes.
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", "migrate "+name); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+schemaOf(name)); err != nil {
		return err
	}
	return migrate(ctx, pool, postgresEngine, migrations)
}

// numberPlaceholders writes $1, $2, … for each ? of one of the shop's own
// statements, none of which has a ? that is anything else.
func numberPlaceholders(query string) string {
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}

// sqlState is PostgreSQL's code of an error, or empty.
func sqlState(err error) string {
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok {
		return failure.Code
	}
	return ""
}
