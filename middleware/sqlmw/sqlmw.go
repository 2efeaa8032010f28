// Package sqlmw observes databases behind database/sql: statements are client
// spans, timed by db.client.operation.duration, and the pool of connections is
// measured. XSAM/otelsql does the work; this package chooses what of it to use:
//
//   - a statement has a span only inside a trace, so that polling and migrations
//     do not fill the store with traces of one span;
//   - the text of a statement is recorded, its arguments never are: write values
//     as parameters;
//   - what the pool does for itself, resetting, preparing, connecting, reading
//     rows, makes no spans;
//   - that there is no row is an answer, not an error.
package sqlmw

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// Telemetry is where spans and metrics go. *middleware.Telemetry is one.
type Telemetry interface {
	TracerProvider() trace.TracerProvider
	MeterProvider() metric.MeterProvider
}

// Option changes what Open makes.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

type config struct {
	telemetry  Telemetry
	attributes []attribute.KeyValue
	hideText   bool
}

// WithTelemetry sends spans and metrics there. Otherwise they go to
// OpenTelemetry's global providers.
func WithTelemetry(telemetry Telemetry) Option {
	return optionFunc(func(c *config) { c.telemetry = telemetry })
}

// WithDatabase tells on spans and metrics which database it is: system is one of
// the conventions' names, as in postgresql or sqlite, and namespace the
// database's own name, or empty.
func WithDatabase(system, namespace string) Option {
	return optionFunc(func(c *config) {
		c.attributes = append(c.attributes, semconv.DBSystemName.String(system))
		if namespace != "" {
			c.attributes = append(c.attributes, semconv.DBNamespace.String(namespace))
		}
	})
}

// WithoutQueryText keeps the text of statements out of the spans, for services
// that write values into it.
func WithoutQueryText() Option {
	return optionFunc(func(c *config) { c.hideText = true })
}

// globals are OpenTelemetry's.
type globals struct{}

func (globals) TracerProvider() trace.TracerProvider { return otel.GetTracerProvider() }
func (globals) MeterProvider() metric.MeterProvider  { return otel.GetMeterProvider() }

// DB is an observed database.
type DB struct {
	*sql.DB
	pool metric.Registration
}

// Open is sql.Open with observation. An error is what sql.Open gives, or what
// comes of measuring the pool.
func Open(driverName, source string, opts ...Option) (*DB, error) {
	cfg := config{telemetry: globals{}}
	for _, opt := range opts {
		opt.apply(&cfg)
	}
	db, err := otelsql.Open(driverName, source, cfg.options()...)
	if err != nil {
		return nil, err
	}
	pool, err := otelsql.RegisterDBStatsMetrics(db, otelsql.WithMeterProvider(cfg.telemetry.MeterProvider()), otelsql.WithAttributes(cfg.attributes...))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("measure the pool: %w", err), db.Close())
	}
	return &DB{DB: db, pool: pool}, nil
}

// Close closes the database, whose pool is then no longer measured.
func (db *DB) Close() error {
	return errors.Join(db.pool.Unregister(), db.DB.Close())
}

func (c config) options() []otelsql.Option {
	return []otelsql.Option{
		otelsql.WithTracerProvider(c.telemetry.TracerProvider()),
		otelsql.WithMeterProvider(c.telemetry.MeterProvider()),
		otelsql.WithAttributes(c.attributes...),
		otelsql.WithSpanNameFormatter(spanName),
		otelsql.WithDisableSkipErrMeasurement(true),
		otelsql.WithSpanOptions(otelsql.SpanOptions{
			DisableErrSkip: true, DisableQuery: c.hideText,
			OmitConnResetSession: true, OmitConnPrepare: true, OmitRows: true, OmitConnectorConnect: true,
			RecordError: func(err error) bool { return !errors.Is(err, sql.ErrNoRows) },
			SpanFilter: func(ctx context.Context, _ otelsql.Method, _ string, _ []driver.NamedValue) bool {
				return trace.SpanContextFromContext(ctx).IsValid()
			},
		}),
	}
}

// spanName is the statement's first word, which is one of few, or what
// database/sql does.
func spanName(_ context.Context, method otelsql.Method, query string) string {
	word, _, _ := strings.Cut(strings.TrimLeft(query, " \t\r\n("), " ")
	switch word = strings.ToUpper(strings.TrimSpace(word)); word {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "CREATE", "ALTER", "DROP", "PRAGMA", "CALL", "TRUNCATE":
		return word
	}
	return string(method)
}
