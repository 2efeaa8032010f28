package sqlmw_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	_ "modernc.org/sqlite" // the driver that is observed

	"github.com/waybill-dev/waybill/middleware"
	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
	"github.com/waybill-dev/waybill/middleware/sqlmw"
)

// setup is a service's telemetry that sends nothing, and remembers its spans.
func setup(t testing.TB) (*middleware.Telemetry, *tracetest.SpanRecorder) {
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

func open(t testing.TB, opts ...sqlmw.Option) *sqlmw.DB {
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
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text") // which has exemplars
	telemetry.MetricsHandler().ServeHTTP(w, r)
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
	if _, err := db.ExecContext(ctx, "SELECT * FROM nowhere WHERE item = 'secret tea'"); err == nil {
		t.Fatal("a table that is not there is read")
	}
	ended := spans.Ended()
	if len(ended) != 3 {
		t.Fatalf("%d spans have ended, want 3", len(ended))
	}
	for i, want := range []struct {
		name, text, errorType string
		status                codes.Code
	}{
		{"INSERT orders", "insert into orders (item) values (?)", "", codes.Unset},
		{"SELECT orders", "SELECT item FROM orders WHERE id = ?", "", codes.Unset},
		{"SELECT nowhere", "SELECT * FROM nowhere WHERE item = ?", "1", codes.Error},
	} {
		got := instrumenttest.Attributes(ended[i].Attributes())
		if ended[i].Name() != want.name || got["db.query.summary"] != want.name || got["db.query.text"] != want.text || ended[i].Status().Code != want.status {
			t.Errorf("span %d is %q of %v with status %v", i, ended[i].Name(), got, ended[i].Status())
		}
		if got["error.type"] != want.errorType || got["db.response.status_code"] != want.errorType {
			t.Errorf("span %d has the error %q, code %q", i, got["error.type"], got["db.response.status_code"])
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
	db := open(t, sqlmw.WithTelemetry(telemetry), sqlmw.WithServer("db.example", 5432))
	for range 2 {
		rows, err := db.QueryContext(t.Context(), "SELECT item FROM orders WHERE id = 7")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(rows.Close(), rows.Err()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(t.Context(), "DELETE FROM nowhere"); err == nil {
		t.Fatal("a table that is not there is emptied")
	}
	const pool = `db_client_connection_count{db_client_connection_pool_name="db.example:5432/orders",db_client_connection_state="idle",`
	served := exposition(t, telemetry)
	of := func(summary, code, errorType string, n int) string {
		return fmt.Sprintf(`db_client_operation_duration_seconds_count{db_namespace="orders",db_query_summary=%q,db_response_status_code=%q,`+
			`db_system_name="sqlite",error_type=%q,server_address="db.example"} %d`, summary, code, errorType, n)
	}
	for _, want := range []string{
		of("CREATE TABLE orders", "", "", 1), of("SELECT orders", "", "", 2), of("DELETE nowhere", "1", "1", 1),
		`db_client_operation_duration_seconds_bucket{db_namespace="orders",db_query_summary="SELECT orders",db_response_status_code="",` +
			`db_system_name="sqlite",error_type="",server_address="db.example",le="0.001"}`,
		pool, "db_client_connection_max{", "waybill_db_client_connection_waits_total{", "waybill_db_client_connection_wait_time_seconds_total{",
		`waybill_db_client_connection_closed_total{`, `waybill_db_client_connection_reason="max_lifetime"`,
	} {
		if !strings.Contains(served, want) {
			t.Errorf("%s is not served", want)
		}
	}
	if n := strings.Count(served, "db_client_operation_duration_seconds_count{"); n != 3 {
		t.Errorf("%d series of durations, want those of the three statements", n)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(exposition(t, telemetry), pool) {
		t.Error("the pool of a closed database is measured")
	}
}

// TestDurationsLeadToTheirTrace looks for the exemplar of a statement.
func TestDurationsLeadToTheirTrace(t *testing.T) {
	telemetry, _ := setup(t)
	db := open(t, sqlmw.WithTelemetry(telemetry))
	ctx, span := telemetry.TracerProvider().Tracer("test").Start(t.Context(), "request")
	defer span.End()
	if _, err := db.ExecContext(ctx, "DELETE FROM orders"); err != nil {
		t.Fatal(err)
	}
	if id := span.SpanContext().TraceID().String(); !strings.Contains(exposition(t, telemetry), id) {
		t.Errorf("no exemplar leads to trace %s", id)
	}
}

func TestTransactionsAreTimedAndSpansOnRequest(t *testing.T) {
	for _, on := range []bool{false, true} {
		telemetry, spans := setup(t)
		opts := []sqlmw.Option{sqlmw.WithTelemetry(telemetry)}
		want := []string{"INSERT orders", "INSERT orders"}
		if on {
			opts = append(opts, sqlmw.WithTransactions())
			want = []string{"BEGIN", "INSERT orders", "COMMIT", "BEGIN", "INSERT orders", "ROLLBACK"}
		}
		db := open(t, opts...)
		ctx, request := telemetry.TracerProvider().Tracer("test").Start(t.Context(), "request")
		for _, end := range []func(*sql.Tx) error{(*sql.Tx).Commit, (*sql.Tx).Rollback} {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(ctx, "INSERT INTO orders (item) VALUES (?)", "tea"); err != nil {
				t.Fatal(err)
			}
			if err := end(tx); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, span := range spans.Ended() {
			got = append(got, span.Name())
			if span.Parent().SpanID() != request.SpanContext().SpanID() || span.SpanKind() != trace.SpanKindClient {
				t.Errorf("span %s is of kind %v under %v", span.Name(), span.SpanKind(), span.Parent().SpanID())
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("spans of transactions %v (-want +got):\n%s", on, diff)
		}
		served := exposition(t, telemetry)
		for summary, n := range map[string]int{"BEGIN": 2, "COMMIT": 1, "ROLLBACK": 1} {
			if want := fmt.Sprintf(`db_query_summary=%q,db_response_status_code="",db_system_name="sqlite",error_type="",server_address=""} %d`, summary, n); !strings.Contains(served, want) {
				t.Errorf("%s is not timed", summary)
			}
		}
		request.End()
	}
}

// TestGivingUpIsNoFailure cancels a statement: the database is not to blame.
func TestGivingUpIsNoFailure(t *testing.T) {
	telemetry, spans := setup(t)
	db := open(t, sqlmw.WithTelemetry(telemetry))
	ctx, request := telemetry.TracerProvider().Tracer("test").Start(t.Context(), "request")
	defer request.End()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	giveUp := time.AfterFunc(50*time.Millisecond, cancel)
	defer giveUp.Stop()
	_, err = conn.ExecContext(ctx, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n")
	if !errors.Is(ctx.Err(), context.Canceled) || err == nil {
		t.Fatalf("a statement without end: %v", err)
	}
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Status().Code != codes.Unset || instrumenttest.Attributes(ended[0].Attributes())["error.type"] == "" {
		t.Errorf("spans are %v", ended)
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
	if len(ended) != 1 || ended[0].Name() != "DELETE orders" {
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
