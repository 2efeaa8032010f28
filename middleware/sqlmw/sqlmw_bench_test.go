package sqlmw_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"path/filepath"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/waybill-dev/waybill/middleware/sqlmw"
)

// BenchmarkQuery reads a row of SQLite's: without observation, and with it
// outside a trace, in one that is not recorded, and in one that is.
func BenchmarkQuery(b *testing.B) {
	telemetry, _ := setup(b)
	bare, err := sql.Open("sqlite", filepath.Join(b.TempDir(), "orders.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = bare.Close() }()
	if _, err := bare.ExecContext(b.Context(), "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)"); err != nil {
		b.Fatal(err)
	}
	observed := open(b, sqlmw.WithTelemetry(telemetry))
	recorded, span := telemetry.TracerProvider().Tracer("").Start(b.Context(), "request")
	defer span.End()
	dropped, unsampled := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())).Tracer("").Start(b.Context(), "request")
	defer unsampled.End()
	for name, run := range map[string]struct {
		db  *sql.DB
		ctx context.Context
	}{
		"bare": {bare, b.Context()}, "no trace": {observed.DB, b.Context()}, "unsampled": {observed.DB, dropped}, "sampled": {observed.DB, recorded},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rows, err := run.db.QueryContext(run.ctx, "SELECT item FROM orders WHERE id = ?", 7)
				if err != nil {
					b.Fatal(err)
				}
				_ = rows.Close()
			}
		})
	}
}

// instant is a driver that does nothing, at once.
type instant struct{ broken }

func (i instant) Connect(context.Context) (driver.Conn, error) { return i, nil }

func (instant) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

// TestAllocations bounds what observation adds to a statement, race detector or
// not.
func TestAllocations(t *testing.T) {
	telemetry, _ := setup(t)
	observed, err := sqlmw.OpenDB(instant{}, sqlmw.WithTelemetry(telemetry), sqlmw.WithDatabase("sqlite", "orders"))
	if err != nil {
		t.Fatal(err)
	}
	bare := sql.OpenDB(instant{})
	defer func() { _, _ = observed.Close(), bare.Close() }()
	recorded, span := telemetry.TracerProvider().Tracer("").Start(t.Context(), "request")
	defer span.End()
	allocations := func(ctx context.Context, db *sql.DB) float64 {
		return testing.AllocsPerRun(500, func() {
			if _, err := db.ExecContext(ctx, "INSERT INTO orders (item) VALUES (?)", "tea"); err != nil {
				t.Fatal(err)
			}
		})
	}
	nothing := allocations(t.Context(), bare)
	for _, c := range []struct {
		name string
		ctx  context.Context
		most float64
	}{{"outside a trace", t.Context(), 5}, {"recorded", recorded, 13}} {
		added := allocations(c.ctx, observed.DB) - nothing
		t.Logf("%s: %v allocations a statement", c.name, added)
		if added > c.most {
			t.Errorf("%s: observation makes %v allocations a statement, at most %v are allowed", c.name, added, c.most)
		}
	}
}
