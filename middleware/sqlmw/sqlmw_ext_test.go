package sqlmw_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	_ "modernc.org/sqlite" // the driver that is observed

	"github.com/waybill-dev/waybill/middleware"
	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
	"github.com/waybill-dev/waybill/middleware/sqlmw"
)

// setup is a service's telemetry that sends nothing, and remembers its spans.
func setup(t *testing.T) (*middleware.Telemetry, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	telemetry, err := middleware.Setup(t.Context(), middleware.WithoutGlobals(), middleware.WithLogWriter(nil), middleware.WithSpanProcessor(spans),
		middleware.WithGetenv(func(name string) (string, bool) {
			return "none", strings.HasSuffix(name, "S_EXPORTER")
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = telemetry.Shutdown(context.WithoutCancel(t.Context())) })
	return telemetry, spans
}

func open(t *testing.T, opts ...sqlmw.Option) *sqlmw.DB {
	t.Helper()
	db, err := sqlmw.Open("sqlite", filepath.Join(t.TempDir(), "orders.db"), append(opts, sqlmw.WithDatabase("sqlite", "orders"))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)"); err != nil {
		t.Fatal(err)
	}
	return db
}

func exposition(t *testing.T, telemetry *middleware.Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	telemetry.MetricsHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func TestStatementsAreSpansOfTheirTrace(t *testing.T) {
	telemetry, spans := setup(t)
	db := open(t, sqlmw.WithTelemetry(telemetry))
	if n := len(spans.Started()); n != 0 {
		t.Errorf("%d spans outside of a trace, want none", n)
	}
	ctx, request := telemetry.TracerProvider().Tracer("test").Start(t.Context(), "request")
	if _, err := db.ExecContext(ctx, "insert into orders (item) values (?)", "secret tea"); err != nil {
		t.Fatal(err)
	}
	var item string
	if err := db.QueryRowContext(ctx, "SELECT item FROM orders WHERE id = ?", 7).Scan(&item); !errors.Is(err, sql.ErrNoRows) {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, "SELECT * FROM nowhere"); err == nil {
		t.Fatal("a table that is not there is read")
	}
	ended := spans.Ended()
	if len(ended) != 3 {
		t.Fatalf("%d spans have ended, want 3", len(ended))
	}
	for i, want := range []struct {
		name, text string
		status     codes.Code
	}{
		{"INSERT", "insert into orders (item) values (?)", codes.Unset},
		{"SELECT", "SELECT item FROM orders WHERE id = ?", codes.Unset},
		{"SELECT", "SELECT * FROM nowhere", codes.Error},
	} {
		got := instrumenttest.Attributes(ended[i].Attributes())
		if ended[i].Name() != want.name || got["db.query.text"] != want.text || ended[i].Status().Code != want.status {
			t.Errorf("span %d is %q of %v with status %v", i, ended[i].Name(), got, ended[i].Status())
		}
		if ended[i].SpanKind() != trace.SpanKindClient || ended[i].Parent().SpanID() != request.SpanContext().SpanID() {
			t.Errorf("span %d is of kind %v under %v", i, ended[i].SpanKind(), ended[i].Parent().SpanID())
		}
		for key, value := range got {
			if strings.Contains(value, "secret") {
				t.Errorf("%s = %q tells an argument", key, value)
			}
		}
		if got["db.system.name"] != "sqlite" || got["db.namespace"] != "orders" {
			t.Errorf("span %d does not tell the database: %v", i, got)
		}
	}
}

func TestStatementsAndPoolAreMeasured(t *testing.T) {
	telemetry, _ := setup(t)
	db := open(t, sqlmw.WithTelemetry(telemetry))
	const duration, pool = "db_client_operation_duration_seconds_count{", "db_sql_connection_open{"
	served := exposition(t, telemetry)
	for _, want := range []string{duration, pool, `db_namespace="orders"`, `db_system_name="sqlite"`} {
		if !strings.Contains(served, want) {
			t.Errorf("%s is not served", want)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(exposition(t, telemetry), pool) {
		t.Error("the pool of a closed database is measured")
	}
}

func TestQueryTextCanBeHidden(t *testing.T) {
	telemetry, spans := setup(t)
	db := open(t, sqlmw.WithTelemetry(telemetry), sqlmw.WithoutQueryText())
	ctx, span := telemetry.TracerProvider().Tracer("test").Start(t.Context(), "request")
	defer span.End()
	if _, err := db.ExecContext(ctx, "DELETE FROM orders WHERE item = 'secret tea'"); err != nil {
		t.Fatal(err)
	}
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Name() != "DELETE" {
		t.Fatalf("spans are %v, want one", ended)
	}
	for _, kv := range ended[0].Attributes() {
		if strings.Contains(kv.Value.String(), "secret") {
			t.Errorf("%s = %q", kv.Key, kv.Value.String())
		}
	}
}

func TestDriverThatIsNotThere(t *testing.T) {
	if db, err := sqlmw.Open("no such driver", ""); err == nil {
		t.Errorf("opened %v", db)
	}
}
