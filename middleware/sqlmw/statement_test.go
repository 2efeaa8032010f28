package sqlmw

import (
	"strings"
	"testing"
)

// The first of these are the examples of OpenTelemetry's conventions.
func TestSummary(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT * FROM wuser_table where username = ?":                                                    "SELECT wuser_table",
		"INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders WHERE x=?": "INSERT shipping_details SELECT orders",
		"SELECT * FROM songs, artists WHERE songs.artist_id == artists.id":                                "SELECT songs artists",
		"SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.customer_id = c.id)":        "SELECT SELECT orders customers",
		`SELECT * FROM "song list"`: `SELECT "song list"`,

		"":         "",
		" -- none": "",
		"SELECT 1": "SELECT",
		"select a, b\nFROM public.orders AS o, lines l WHERE a IN (SELECT x FROM t1, t2), c":                 "SELECT public.orders lines SELECT t1 t2",
		"SELECT (SELECT count(*) FROM a), b FROM c; ":                                                        "SELECT SELECT a c",
		"SELECT a FROM x LEFT OUTER JOIN y USING (id, b) CROSS JOIN z ORDER BY 1, 2":                         "SELECT x y z",
		"SELECT a FROM x UNION SELECT b FROM y":                                                              "SELECT x SELECT y",
		"SELECT EXTRACT(YEAR FROM at), trim(both from name) FROM orders":                                     "SELECT orders",
		"SELECT a IS DISTINCT FROM b FROM orders":                                                            "SELECT orders",
		"SELECT * FROM generate_series(1, 3) g, orders FOR NO KEY UPDATE":                                    "SELECT orders",
		"SELECT a FROM ONLY orders, LATERAL (SELECT 1 FROM lines) l":                                         "SELECT orders SELECT lines",
		"INSERT INTO outbox(id, x) VALUES (?, ?)":                                                            "INSERT outbox",
		"INSERT OR IGNORE INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1":                         "INSERT t",
		"INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = 2":                                         "INSERT t",
		"REPLACE INTO t VALUES (1)":                                                                          "REPLACE t",
		"UPDATE OR ROLLBACK items SET available = 1":                                                         "UPDATE items",
		"UPDATE outbox SET c = ? WHERE seq IN (SELECT seq FROM outbox LIMIT ?) RETURNING seq":                "UPDATE outbox SELECT outbox",
		"UPDATE items SET a = l.q FROM (SELECT q FROM lines) AS l WHERE 1 = 1":                               "UPDATE items SELECT lines",
		"DELETE FROM orders o USING lines WHERE 1 = 1":                                                       "DELETE orders lines",
		"MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET x = 1":                               "MERGE t s",
		"WITH moved AS (DELETE FROM a RETURNING *), b(x) AS (SELECT 1) INSERT INTO c SELECT * FROM moved, b": "DELETE a SELECT INSERT c SELECT",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n":               "SELECT SELECT SELECT",
		"CREATE TABLE IF NOT EXISTS orders (id INTEGER, FOREIGN KEY (x) REFERENCES y ON DELETE CASCADE)":     "CREATE TABLE orders",
		"CREATE UNIQUE INDEX by_user ON orders (user_id)":                                                    "CREATE INDEX by_user",
		"DROP TABLE orders":                                 "DROP TABLE orders",
		"TRUNCATE TABLE orders":                             "TRUNCATE orders",
		"CALL restock(?, 1)":                                "CALL restock",
		"COPY orders FROM STDIN":                            "COPY orders",
		"PRAGMA user_version":                               "PRAGMA",
		"BEGIN IMMEDIATE; DELETE FROM a; COMMIT":            "BEGIN DELETE a COMMIT",
		"/* who */ EXPLAIN ANALYZE SELECT * FROM orders":    "EXPLAIN SELECT orders",
		`SELECT 'FROM secret', "x" FROM orders`:             "SELECT orders",
		"FETCH NEXT FROM somewhere":                         "",
		"SELECT " + strings.Repeat("a, ", 999) + "b FROM x": "SELECT",
	} {
		if got := Summary(query); got != want {
			t.Errorf("Summary(%q) = %q, want %q", query, got, want)
		}
	}
	long := Summary("SELECT 1 FROM " + strings.Repeat("t, ", 200) + "u")
	if len(long) > maxSummary || !strings.HasPrefix(long, "SELECT t t t") {
		t.Errorf("the summary of many tables is %d bytes: %s", len(long), long)
	}
}

func TestTextHasNoValues(t *testing.T) {
	for _, c := range []struct{ system, query, want string }{
		{"sqlite", "SELECT a, 7 FROM orders  WHERE id = ? AND b = 'it''s' -- for Ada\n AND c > -1.5e3;", "SELECT a, ? FROM orders WHERE id = ? AND b = ? AND c > ?"},
		{"sqlite", `DELETE FROM "orders" WHERE item = "tea"`, `DELETE FROM "orders" WHERE item = ?`},
		{"postgresql", `DELETE FROM "orders" WHERE "item" = $1 AND at = $$tea$$`, `DELETE FROM "orders" WHERE "item" = $1 AND at = ?`},
		{"mysql", "SELECT `a` FROM `b` WHERE c = \"tea\" # for Ada", "SELECT `a` FROM `b` WHERE c = ?"},
		{"postgresql", "INSERT INTO t VALUES (NULL, true, x'ab', 'unfinished", "INSERT INTO t VALUES (NULL, true, x?, ?"},
		// What a backslash means depends on the database, and on how it is set up.
		{"postgresql", `SELECT 'a\', 'tea' FROM orders`, ""},
		// Who knows what this is.
		{"sqlite", "tea for two", ""},
		{"", "SELECT :name, @p1, ?1 FROM t", "SELECT :name, @p1, ?1 FROM t"},
		{"", "SELECT * FROM orders WHERE total > 1_000_000", ""},
		{"", "SELECT * FROM orders WHERE flags = 0b1011", ""},
		{"", "SELECT total/4711 FROM orders", ""},
		{"sqlite", `SELECT * FROM orders WHERE item LIKE"tea for two"`, ""},
		{"oracle.db", "ALTER USER shop IDENTIFIED BY tiger", ""},
	} {
		got := newStatements(c.system, true).of(c.query)
		text := ""
		for _, kv := range got.span {
			if kv.Key == "db.query.text" {
				text = kv.Value.AsString()
			}
		}
		if text != c.want {
			t.Errorf("text of %s's %q is %q, want %q", c.system, c.query, text, c.want)
		}
	}
	if got := newStatements("postgresql", true).of(`SELECT 'a\', ' FROM tea'`); got.name != "SELECT" {
		t.Errorf("a statement that is read at random is called %q", got.name)
	}
	if got := newStatements("sqlite", true).of("tea for two"); got.name != "sqlite" || got.series != nil {
		t.Errorf("what is no statement is called %q, %v", got.name, got.series)
	}
}

// TestStatementsAreBounded reads more than is remembered, and longer.
func TestStatementsAreBounded(t *testing.T) {
	all := newStatements("sqlite", true)
	for i := range maxStatements + 100 {
		all.of("SELECT 1 FROM orders WHERE id = " + strings.Repeat("1", i))
	}
	huge := "INSERT INTO orders VALUES ('" + strings.Repeat("é", maxRead) + "')" + strings.Repeat(", (NULL)", maxRead)
	got := all.of(huge)
	if text := got.span[1].Value.AsString(); got.name != "INSERT orders" || len(text) > maxText {
		t.Errorf("statement %q has a text of %d bytes", got.name, len(text))
	}
	if all.of(huge) == got {
		t.Error("a huge statement is remembered")
	}
	if n := all.count.Load(); n != maxStatements {
		t.Errorf("%d statements are remembered, want %d", n, maxStatements)
	}
}

func FuzzStatement(f *testing.F) {
	for _, query := range []string{
		"SELECT a FROM b, c WHERE d = 'e'", "WITH a AS (SELECT 1) UPDATE b SET c = 1", "CREATE TABLE a (b)", `"`, "'", "$$", "/*", "))((;,",
	} {
		f.Add(query, "postgresql")
		f.Add(query, "mysql")
	}
	f.Fuzz(func(t *testing.T, query, system string) {
		got := newStatements(system, true).of(query)
		if got.name == "" || len(got.summary) > maxSummary {
			t.Errorf("%q is called %q, in short %q", query, got.name, got.summary)
		}
		for _, kv := range got.span {
			if len(kv.Value.AsString()) > maxText {
				t.Errorf("%s of %q has %d bytes", kv.Key, query, len(kv.Value.AsString()))
			}
		}
	})
}
