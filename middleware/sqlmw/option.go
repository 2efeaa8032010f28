package sqlmw

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// Telemetry is where spans and metrics go. *middleware.Telemetry is one.
type Telemetry interface {
	instrument.Source
	// MeterProvider measures the pool of connections.
	MeterProvider() metric.MeterProvider
}

// globals are OpenTelemetry's, and client_golang's default registry.
type globals struct{ instrument.Globals }

func (globals) MeterProvider() metric.MeterProvider { return otel.GetMeterProvider() }

// Option changes what Open makes.
type Option interface{ apply(*config) }

type optionFunc func(*config)

func (f optionFunc) apply(c *config) { f(c) }

// config is what the options come to.
type config struct {
	telemetry    Telemetry
	database     database
	errorCode    func(error) string
	hideText     bool
	transactions bool
}

func newConfig(opts []Option) config {
	cfg := config{telemetry: globals{}, errorCode: errorCode}
	for _, opt := range opts {
		opt.apply(&cfg)
	}
	return cfg
}

// WithTelemetry sends spans and metrics there. Otherwise they go to
// OpenTelemetry's global providers and client_golang's default registry.
func WithTelemetry(telemetry Telemetry) Option {
	return optionFunc(func(c *config) { c.telemetry = telemetry })
}

// WithDatabase tells on spans and metrics which database it is: system is one of
// the conventions' names, as in postgresql or sqlite, and namespace the
// database's own name, or empty. The system also decides how statements are
// read: what a double quote or a backslash means is not the same in all of them.
func WithDatabase(system, namespace string) Option {
	return optionFunc(func(c *config) { c.database.system, c.database.namespace = system, namespace })
}

// WithServer tells on spans and metrics where the database's server is. The
// address is a host or the path of a socket; a port of 0, which a socket has, is
// not told.
func WithServer(address string, port int) Option {
	return optionFunc(func(c *config) { c.database.address, c.database.port = address, port })
}

// WithErrorCode finds the database's own code of an error, such as 23505, or
// gives an empty text. Otherwise drivers are asked by the methods SQLState and
// Code, which those of PostgreSQL and SQLite have.
func WithErrorCode(code func(error) string) Option {
	return optionFunc(func(c *config) { c.errorCode = code })
}

// WithTransactions makes spans of the beginning and the end of transactions,
// too: BEGIN, COMMIT and ROLLBACK. They are timed in any case.
func WithTransactions() Option {
	return optionFunc(func(c *config) { c.transactions = true })
}

// WithoutQueryText keeps the text of statements out of the spans, though it has
// no values.
func WithoutQueryText() Option {
	return optionFunc(func(c *config) { c.hideText = true })
}

// database is what all spans and series say of the database.
type database struct {
	system, namespace, address string
	port                       int
}

func (d database) attributes() []attribute.KeyValue {
	var told []attribute.KeyValue
	for key, value := range map[attribute.Key]string{
		semconv.DBSystemName: d.system, semconv.DBNamespace: d.namespace, semconv.ServerAddress: d.address,
	} {
		if value != "" {
			told = append(told, key.String(value))
		}
	}
	if d.port != 0 {
		told = append(told, semconv.ServerPort.Int(d.port))
	}
	return told
}
