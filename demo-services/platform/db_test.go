package platform

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/waybill-dev/waybill/demo-services/platform/pgtest"
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

func openTestDB(t *testing.T, dir string, exporter sdktrace.SpanExporter, files ...string) *DB {
	t.Helper()
	tp := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	db, err := OpenDB(t.Context(), sourceIn(t, dir), schema(files...), tp)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestMigrationsRunOnceAndInOrder(t *testing.T) {
	dir := t.TempDir()
	first := "CREATE TABLE things (id INTEGER PRIMARY KEY); INSERT INTO things VALUES (1)"
	db := openTestDB(t, dir, tracetest.NewNoopExporter(), first)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = openTestDB(t, dir, tracetest.NewNoopExporter(), first, "ALTER TABLE things ADD COLUMN name TEXT DEFAULT 'x'")
	var id int
	var name string
	if err := db.QueryRow(t.Context(), []any{&id, &name}, "SELECT id, name FROM things"); err != nil {
		t.Fatal(err)
	}
	if id != 1 || name != "x" {
		t.Errorf("row is %d, %q", id, name)
	}
	if _, err := OpenDB(t.Context(), sourceIn(t, dir), schema(first), sdktrace.NewTracerProvider()); err == nil {
		t.Error("a schema newer than the program was accepted")
	}
}

func TestDirectoryMayHaveAnyName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c=d#e%20f")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	openTestDB(t, dir, tracetest.NewNoopExporter(), "CREATE TABLE things (id INTEGER PRIMARY KEY)")
	if pgtest.OnPostgreSQL() {
		return // Which has no use for it.
	}
	if _, err := os.Stat(filepath.Join(dir, pgtest.Name(dir)+".db")); err != nil {
		t.Error(err)
	}
}

func TestTransactionRollsBack(t *testing.T) {
	db := openTestDB(t, t.TempDir(), tracetest.NewNoopExporter(), "CREATE TABLE things (id INTEGER PRIMARY KEY)")
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
	exporter := tracetest.NewInMemoryExporter()
	dir := t.TempDir()
	db := openTestDB(t, dir, exporter, "CREATE TABLE things (id INTEGER PRIMARY KEY)")
	if _, err := db.Exec(t.Context(), "INSERT INTO things (id) VALUES (?)", 1); err != nil {
		t.Fatal(err)
	}
	if n := len(exporter.GetSpans()); n != 0 {
		t.Fatalf("%d spans without a trace", n)
	}
	ctx, root := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "root")
	defer root.End()
	if _, err := db.Exec(ctx, "INSERT INTO things (id) VALUES (?)", 1); err == nil {
		t.Fatal("a second row with the same key")
	}
	spans := exporter.GetSpans()
	if len(spans) != 1 {
		t.Fatalf("%d spans, want 1", len(spans))
	}
	got := map[string]string{"name": spans[0].Name, "status": spans[0].Status.Code.String()}
	for _, kv := range spans[0].Attributes {
		got[string(kv.Key)] = kv.Value.String()
	}
	want := map[string]string{
		"name": "INSERT things", "status": "Error",
		"db.system.name": "sqlite", "db.namespace": pgtest.Name(dir), "db.operation.name": "INSERT",
		"db.collection.name": "things", "db.query.summary": "INSERT things",
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

func TestSummarize(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT a, b FROM orders WHERE id = ?":     "SELECT orders",
		"INSERT INTO outbox(id, x) VALUES (?, ?)":  "INSERT outbox",
		"insert into items (id) values":            "INSERT items",
		"UPDATE items SET available = 1":           "UPDATE items",
		"DELETE FROM outbox":                       "DELETE outbox",
		"PRAGMA user_version":                      "PRAGMA",
		"":                                         "",
		"SELECT (SELECT count(*) FROM a) FROM b; ": "SELECT a",
	} {
		if got := summarize(query); got != want {
			t.Errorf("summarize(%q) = %q, want %q", query, got, want)
		}
	}
}
