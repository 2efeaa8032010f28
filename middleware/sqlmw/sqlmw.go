// Package sqlmw observes databases behind database/sql: statements are client
// spans, timed by db.client.operation.duration, and the pool of connections is
// measured. XSAM/otelsql stands between database/sql and the driver; this
// package says what is told, by OpenTelemetry's conventions for databases:
//
//   - a span is named after what the statement does and to which tables, as in
//     "SELECT orders", and so is its series: few names, whatever values there are;
//   - the text of a statement is recorded without the values that are written in
//     it; arguments never are, nor are the texts of errors, which quote them;
//   - a statement has a span only inside a trace, so that polling and migrations
//     do not fill the store with traces of one span;
//   - what the pool does for itself, connecting, preparing, resetting, is neither
//     a span nor an operation that is timed;
//   - that there is no row is an answer, and that the caller has given up is not
//     the database's failure.
package sqlmw

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// ScopeName is the instrumentation scope of the metrics of the pool; that of
// spans is otelsql's.
const ScopeName = "github.com/waybill-dev/waybill/middleware/sqlmw"

// DB is an observed database.
type DB struct {
	*sql.DB
	pool metric.Registration
}

// Open is sql.Open with observation. An error is what sql.Open gives, or what
// comes of registering metrics.
func Open(driverName, source string, opts ...Option) (*DB, error) {
	return open(opts, func(observe []otelsql.Option) (*sql.DB, error) { return otelsql.Open(driverName, source, observe...) })
}

// OpenDB is sql.OpenDB with observation, for drivers that give connectors. An
// error is what comes of registering metrics.
func OpenDB(connector driver.Connector, opts ...Option) (*DB, error) {
	return open(opts, func(observe []otelsql.Option) (*sql.DB, error) { return otelsql.OpenDB(connector, observe...), nil })
}

func open(opts []Option, how func([]otelsql.Option) (*sql.DB, error)) (*DB, error) {
	cfg := newConfig(opts)
	o, err := newObserver(cfg)
	if err != nil {
		return nil, err
	}
	db, err := how(o.options())
	if err != nil {
		return nil, err
	}
	pool, err := measurePool(db, cfg.telemetry.MeterProvider(), cfg.database)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &DB{DB: db, pool: pool}, nil
}

// Close closes the database, whose pool is then no longer measured.
func (db *DB) Close() error {
	return errors.Join(db.pool.Unregister(), db.DB.Close())
}

// observer answers otelsql's questions about one database. It is safe for
// concurrent use.
type observer struct {
	config
	statements *statements
	durations  *durations
}

func newObserver(cfg config) (*observer, error) {
	measured, err := newDurations(cfg.telemetry, cfg.database)
	if err != nil {
		return nil, err
	}
	return &observer{cfg, newStatements(cfg.database.system, !cfg.hideText), measured}, nil
}

func (o *observer) options() []otelsql.Option {
	return []otelsql.Option{
		otelsql.WithTracerProvider(tracerProvider{inner: o.telemetry.TracerProvider()}),
		otelsql.WithMeterProvider(meterProvider{durations: o.durations}),
		otelsql.WithAttributes(o.database.attributes()...),
		otelsql.WithSpanNameFormatter(func(_ context.Context, method otelsql.Method, query string) string {
			return o.about(method, query).name
		}),
		otelsql.WithAttributesGetter(func(_ context.Context, method otelsql.Method, query string, _ []driver.NamedValue) []attribute.KeyValue {
			return o.about(method, query).span
		}),
		otelsql.WithInstrumentAttributesGetter(func(_ context.Context, method otelsql.Method, query string, _ []driver.NamedValue) []attribute.KeyValue {
			return o.about(method, query).series
		}),
		otelsql.WithSpanErrorAttributesGetter(o.onSpan),
		otelsql.WithInstrumentErrorAttributesGetter(o.onSeries),
		otelsql.WithSpanOptions(otelsql.SpanOptions{
			DisableErrSkip: true, DisableQuery: true, RecordError: isFailure, SpanFilter: o.hasSpan,
			OmitConnResetSession: true, OmitConnPrepare: true, OmitRows: true, OmitConnectorConnect: true,
		}),
	}
}

// about is what is told of a statement, or of the end of a transaction.
func (o *observer) about(method otelsql.Method, query string) *statement {
	if told, ends := transactions[method]; ends {
		return told
	}
	return o.statements.of(query)
}

// transactions are the operations that have no text.
var transactions = map[otelsql.Method]*statement{
	otelsql.MethodConnBeginTx: newStatement("BEGIN", "BEGIN", ""),
	otelsql.MethodTxCommit:    newStatement("COMMIT", "COMMIT", ""),
	otelsql.MethodTxRollback:  newStatement("ROLLBACK", "ROLLBACK", ""),
}

// hasSpan is asked before each span.
func (o *observer) hasSpan(ctx context.Context, method otelsql.Method, _ string, _ []driver.NamedValue) bool {
	if _, ends := transactions[method]; ends && !o.transactions {
		return false
	}
	return trace.SpanContextFromContext(ctx).IsValid()
}
