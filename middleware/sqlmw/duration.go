package sqlmw

import (
	"context"
	"time"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// durations time the operations of one database. otelsql measures more than
// that, and names it after its own methods; so its meter is one of ours, which
// keeps what the conventions ask for. It is safe for concurrent use.
type durations struct {
	noop.Float64Histogram
	observed *instrument.Duration[series]
}

// series is what the durations of one database are told apart by.
type series struct{ summary, code, errorType string }

func newDurations(source Telemetry, of database) (*durations, error) {
	labels := func(s series) []string {
		return []string{of.system, of.namespace, of.address, s.summary, s.code, s.errorType}
	}
	observed, err := instrument.NewDuration(source, semconv.DBClientOperationDuration, labels,
		semconv.DBSystemName, semconv.DBNamespace, semconv.ServerAddress,
		semconv.DBQuerySummary, semconv.DBResponseStatusCode, semconv.ErrorType)
	return &durations{observed: observed}, err
}

// The attributes by which otelsql's methods and errors get here. It adds an
// error.type of its own to what it is given, which goes before ours.
const (
	methodName = attribute.Key("db.operation.name")
	failureKey = attribute.Key("waybill.failure")
)

// isOperation says which of otelsql's methods ask the database for something
// that the service wants of it.
func isOperation(method otelsql.Method) bool {
	switch method {
	case otelsql.MethodConnExec, otelsql.MethodConnQuery, otelsql.MethodStmtExec, otelsql.MethodStmtQuery,
		otelsql.MethodConnBeginTx, otelsql.MethodTxCommit, otelsql.MethodTxRollback:
		return true
	}
	return false
}

// Enabled implements metric.Float64Histogram.
func (*durations) Enabled(context.Context) bool { return true }

// Record implements metric.Float64Histogram; the duration is in seconds. An
// exemplar is the span around the operation.
func (d *durations) Record(ctx context.Context, seconds float64, options ...metric.RecordOption) {
	config := metric.NewRecordConfig(options)
	about := config.Attributes()
	text := func(key attribute.Key) string {
		value, _ := about.Value(key)
		return value.AsString()
	}
	failed := text(failureKey)
	if failed == skipped || !isOperation(otelsql.Method(text(methodName))) {
		return
	}
	took := time.Duration(seconds * float64(time.Second))
	s := series{summary: text(semconv.DBQuerySummary), code: text(semconv.DBResponseStatusCode), errorType: failed}
	d.observed.Observe(s, took, time.Now(), trace.SpanContextFromContext(ctx))
}

// meterProvider gives otelsql the durations, whatever it asks for.
type meterProvider struct {
	noop.MeterProvider
	durations *durations
}

// Meter implements metric.MeterProvider.
func (p meterProvider) Meter(string, ...metric.MeterOption) metric.Meter {
	return meter{durations: p.durations}
}

type meter struct {
	noop.Meter
	durations *durations
}

// Float64Histogram implements metric.Meter.
func (m meter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return m.durations, nil
}
