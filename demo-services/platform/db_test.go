package platform

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/waybill-dev/waybill/demo-services/pause"
	"github.com/waybill-dev/waybill/demo-services/platform/pgtest"
	"github.com/waybill-dev/waybill/middleware"
)

// forPostgreSQL makes what the tests have for SQLite fit for PostgreSQL.
var forPostgreSQL = strings.NewReplacer("INTEGER PRIMARY KEY AUTOINCREMENT", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
	"INTEGER", "BIGINT", "BLOB", "BYTEA", ") STRICT", ")")

func schema(files ...string) fstest.MapFS {
	migrations := fstest.MapFS{}
	for i, text := range files {
		name := "/" + strconv.Itoa(i+1) + "_test.sql"
		text = "-- +goose Up\n" + text + ";"
		migrations["sqlite"+name] = &fstest.MapFile{Data: []byte(text)}
		migrations["postgresql"+name] = &fstest.MapFile{Data: []byte(forPostgreSQL.Replace(text))}
	}
	return migrations
}

// sourceIn is where a database is that has the directory to itself.
func sourceIn(t *testing.T, dir string) Source {
	t.Helper()
	return Source{URL: pgtest.URL(t), Dir: dir, Name: pgtest.Name(dir)}
}

// openTestDB opens the database that has the directory to itself, not observed.
func openTestDB(t *testing.T, dir string, files ...string) *DB {
	t.Helper()
	db, err := OpenDB(t.Context(), sourceIn(t, dir), schema(files...), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// observe opens it in a service whose spans are recorded.
func observe(t *testing.T, dir string, files ...string) (*DB, *middleware.Telemetry, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	telemetry, err := middleware.Setup(t.Context(), middleware.WithoutGlobals(), middleware.WithLogWriter(nil), middleware.WithSpanProcessor(spans),
		middleware.WithGetenv(func(name string) (string, bool) { return "none", strings.HasSuffix(name, "S_EXPORTER") }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = telemetry.Shutdown(context.WithoutCancel(t.Context())) })
	db, err := OpenDB(t.Context(), sourceIn(t, dir), schema(files...), telemetry)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db, telemetry, spans
}

func TestMigrationsRunOnceAndInOrder(t *testing.T) {
	dir := t.TempDir()
	first := "CREATE TABLE things (id INTEGER PRIMARY KEY); INSERT INTO things VALUES (1)"
	db := openTestDB(t, dir, first)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTestDB(t, dir, first, "ALTER TABLE things ADD COLUMN name TEXT DEFAULT 'x'")
	var id int
	var name string
	if err := db.QueryRow(t.Context(), []any{&id, &name}, "SELECT id, name FROM things"); err != nil {
		t.Fatal(err)
	}
	if id != 1 || name != "x" {
		t.Errorf("row is %d, %q", id, name)
	}
	if _, err := OpenDB(t.Context(), sourceIn(t, dir), schema(first), nil); err == nil {
		t.Error("a schema newer than the program was accepted")
	}
}

func TestDirectoryMayHaveAnyName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c=d#e%20f")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	openTestDB(t, dir, "CREATE TABLE things (id INTEGER PRIMARY KEY)")
	if pgtest.OnPostgreSQL() {
		return // Which has no use for it.
	}
	if _, err := os.Stat(filepath.Join(dir, pgtest.Name(dir)+".db")); err != nil {
		t.Error(err)
	}
}

func TestTransactionRollsBack(t *testing.T) {
	db := openTestDB(t, t.TempDir(), "CREATE TABLE things (id INTEGER PRIMARY KEY)")
	boom := errors.New("boom")
	err := db.InTx(t.Context(), func(tx *Conn) error {
		if _, err := tx.Exec(t.Context(), "INSERT INTO things VALUES (?)", 1); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Fatalf("InTx: %v", err)
	}
	var id int
	if err := db.QueryRow(t.Context(), []any{&id}, "SELECT id FROM things"); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("the row is there: %v", err)
	}
}

func TestStatementsBecomeSpansInsideATraceOnly(t *testing.T) {
	dir := t.TempDir()
	db, telemetry, spans := observe(t, dir, "CREATE TABLE things (id INTEGER PRIMARY KEY)")
	if _, err := db.Exec(t.Context(), "INSERT INTO things (id) VALUES (?)", 1); err != nil {
		t.Fatal(err)
	}
	if n := len(spans.Started()); n != 0 {
		t.Fatalf("%d spans without a trace", n)
	}
	ctx, root := telemetry.TracerProvider().Tracer("test").Start(t.Context(), "root")
	defer root.End()
	if err := db.InTx(ctx, func(tx *Conn) error {
		_, err := tx.Exec(ctx, "INSERT INTO things (id) VALUES (?)", 1)
		return err
	}); err == nil {
		t.Fatal("a second row with the same key")
	}
	ended := spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans, want 1", len(ended))
	}
	got := map[string]string{"name": ended[0].Name(), "status": ended[0].Status().Code.String()}
	for _, kv := range ended[0].Attributes() {
		got[string(kv.Key)] = kv.Value.String()
	}
	want := map[string]string{
		"name": "INSERT things", "status": "Error",
		"db.system.name": "sqlite", "db.namespace": pgtest.Name(dir), "db.query.summary": "INSERT things",
		"db.query.text":           "INSERT INTO things (id) VALUES (?)",
		"db.response.status_code": "1555", "error.type": "1555",
	}
	if pgtest.OnPostgreSQL() {
		want["db.system.name"], want["db.namespace"] = "postgresql", "postgres|"+pgtest.Name(dir)
		want["db.query.text"] = "INSERT INTO things (id) VALUES ($1)"
		want["db.response.status_code"], want["error.type"] = "23505", "23505"
		want["server.address"] = got["server.address"]
		if !filepath.IsAbs(got["server.address"]) {
			t.Errorf("the server is at %q, not on a socket", got["server.address"])
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("span (-want +got):\n%s", diff)
	}
}

// TestSlowStatementsAreSlowInTheirSpans has statements wait, as a fault does.
func TestSlowStatementsAreSlowInTheirSpans(t *testing.T) {
	db, telemetry, spans := observe(t, t.TempDir(), "CREATE TABLE things (id INTEGER PRIMARY KEY)")
	const delay = 20 * time.Millisecond
	waited := 0
	db.BeforeStatements(func(ctx context.Context) {
		waited++
		_ = pause.For(ctx, delay)
	})
	ctx, root := telemetry.TracerProvider().Tracer("test").Start(t.Context(), "root")
	defer root.End()
	for _, within := range []context.Context{t.Context(), ctx} {
		if _, err := db.Exec(within, "DELETE FROM things"); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.QueryRow(within, []any{&n}, "SELECT count(*) FROM things"); err != nil {
			t.Fatal(err)
		}
	}
	if waited != 2 {
		t.Errorf("%d statements have waited, want the two inside the trace", waited)
	}
	for _, span := range spans.Ended() {
		if took := span.EndTime().Sub(span.StartTime()); took < delay {
			t.Errorf("%s took %v, although it had to wait", span.Name(), took)
		}
	}
}
