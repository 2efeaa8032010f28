package sqlmw

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// pool measures the connections of one database when it is asked to. The
// conventions have names for how many there are; database/sql also knows who had
// to wait for one, and why connections were closed.
type pool struct {
	stats func() sql.DBStats
	// database is what all say, and the others are with it, made once.
	database, idle, used                     metric.MeasurementOption
	closedIdle, closedIdleTime, closedByLife metric.MeasurementOption

	count, limit  metric.Int64ObservableUpDownCounter
	waits, closed metric.Int64ObservableCounter
	waited        metric.Float64ObservableCounter
}

// measurePool begins to measure, until the result is unregistered.
func measurePool(db *sql.DB, provider metric.MeterProvider, of database) (metric.Registration, error) {
	with := func(also ...attribute.KeyValue) metric.MeasurementOption {
		also = append(also, of.attributes()...)
		return metric.WithAttributeSet(attribute.NewSet(append(also, semconv.DBClientConnectionPoolName.String(of.pool()))...))
	}
	p := &pool{
		stats: db.Stats, database: with(),
		idle:           with(semconv.DBClientConnectionState.String("idle")),
		used:           with(semconv.DBClientConnectionState.String("used")),
		closedIdle:     with(semconv.DBClientConnectionReason.String("max_idle")),
		closedIdleTime: with(semconv.DBClientConnectionReason.String("max_idle_time")),
		closedByLife:   with(semconv.DBClientConnectionReason.String("max_lifetime")),
	}
	meter := provider.Meter(ScopeName, metric.WithSchemaURL(semconv.SchemaURL))
	var err1, err2, err3, err4, err5 error
	p.count, err1 = meter.Int64ObservableUpDownCounter("db.client.connection.count",
		metric.WithUnit("{connection}"), metric.WithDescription("Connections that are open, by state."))
	p.limit, err2 = meter.Int64ObservableUpDownCounter("db.client.connection.max",
		metric.WithUnit("{connection}"), metric.WithDescription("Connections that may be open; 0 is any number."))
	p.waits, err3 = meter.Int64ObservableCounter("waybill.db.client.connection.waits",
		metric.WithUnit("{wait}"), metric.WithDescription("How often a statement had to wait for a connection."))
	p.waited, err4 = meter.Float64ObservableCounter("waybill.db.client.connection.wait_time",
		metric.WithUnit("s"), metric.WithDescription("How long statements had to wait for connections."))
	p.closed, err5 = meter.Int64ObservableCounter("waybill.db.client.connection.closed",
		metric.WithUnit("{connection}"), metric.WithDescription("Connections that were closed by a limit of the pool."))
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, fmt.Errorf("measure the pool: %w", err)
	}
	return meter.RegisterCallback(p.observe, p.count, p.limit, p.waits, p.waited, p.closed)
}

func (p *pool) observe(_ context.Context, o metric.Observer) error {
	stats := p.stats()
	o.ObserveInt64(p.count, int64(stats.Idle), p.idle)
	o.ObserveInt64(p.count, int64(stats.InUse), p.used)
	o.ObserveInt64(p.limit, int64(stats.MaxOpenConnections), p.database)
	o.ObserveInt64(p.waits, stats.WaitCount, p.database)
	o.ObserveFloat64(p.waited, stats.WaitDuration.Seconds(), p.database)
	o.ObserveInt64(p.closed, stats.MaxIdleClosed, p.closedIdle)
	o.ObserveInt64(p.closed, stats.MaxIdleTimeClosed, p.closedIdleTime)
	o.ObserveInt64(p.closed, stats.MaxLifetimeClosed, p.closedByLife)
	return nil
}

// pool is what the conventions call a pool that has no name: the server, and the
// database on it.
func (d database) pool() string {
	at := d.address
	if d.port != 0 {
		at = net.JoinHostPort(d.address, strconv.Itoa(d.port))
	}
	if at == "" {
		return d.namespace
	}
	return at + "/" + d.namespace
}
