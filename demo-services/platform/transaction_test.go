package platform

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestTransactionsAreAsIfOneAfterTheOther has many read a number and write the
// next one.
func TestTransactionsAreAsIfOneAfterTheOther(t *testing.T) {
	dir := t.TempDir()
	const counter = "CREATE TABLE counter (n INTEGER NOT NULL); INSERT INTO counter VALUES (0)"
	instances := []*DB{
		openTestDB(t, dir, counter), openTestDB(t, dir, counter),
	}
	const workers, each = 8, 5
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for range each {
				if err := instances[i%2].InTx(t.Context(), func(tx *Conn) error {
					var n int
					if err := tx.QueryRow(t.Context(), []any{&n}, "SELECT n FROM counter"); err != nil {
						return err
					}
					_, err := tx.Exec(t.Context(), "UPDATE counter SET n = ?", n+1)
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var n int
	if err := instances[0].QueryRow(t.Context(), []any{&n}, "SELECT n FROM counter"); err != nil || n != workers*each {
		t.Errorf("counted to %d, want %d; %v", n, workers*each, err)
	}
}

// TestAppendsAreSeenInOrder reads on while several append: what is below a
// number that was seen has been seen.
func TestAppendsAreSeenInOrder(t *testing.T) {
	db := openTestDB(t, t.TempDir(),
		"CREATE TABLE log (position INTEGER PRIMARY KEY AUTOINCREMENT, writer INTEGER NOT NULL) STRICT")
	const writers, each = 4, 25
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range each {
				if err := db.InTx(t.Context(), func(tx *Conn) error { return appendTwo(t.Context(), tx, i) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var position, seen int
	for deadline := time.Now().Add(30 * time.Second); seen < writers*each*2 && time.Now().Before(deadline); {
		if err := db.Query(t.Context(), func(scan Scan) error {
			seen++
			return scan(&position)
		}, "SELECT position FROM log WHERE position > ? ORDER BY position", position); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if seen != writers*each*2 {
		t.Errorf("saw %d rows of %d", seen, writers*each*2)
	}
}

// appendTwo leaves others time between its rows.
func appendTwo(ctx context.Context, tx *Conn, writer int) error {
	if err := tx.LockAppends(ctx, "log"); err != nil {
		return err
	}
	for range 2 {
		if _, err := tx.Exec(ctx, "INSERT INTO log (writer) VALUES (?)", writer); err != nil {
			return err
		}
	}
	return nil
}

func TestInstancesMayStartAtOnce(t *testing.T) {
	at := sourceIn(t, t.TempDir())
	if at.URL == "" {
		t.Skip("a file of SQLite is for the processes of one machine, which are started one after the other")
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			db, err := OpenDB(t.Context(), at, schema("CREATE TABLE things (id INTEGER)", "INSERT INTO things VALUES (1)"), nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = db.Close() }()
			var n int
			if err := db.QueryRow(t.Context(), []any{&n}, "SELECT count(*) FROM things"); err != nil || n != 1 {
				t.Errorf("%d rows, want 1; %v", n, err)
			}
		})
	}
	wg.Wait()
}

// TestReadersChangeNothing opens a database for an audit.
func TestReadersChangeNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenDBToRead(t.Context(), sourceIn(t, dir)); err == nil {
		t.Error("a database that is not there was opened")
	}
	openTestDB(t, dir, "CREATE TABLE things (id INTEGER PRIMARY KEY)")
	db, err := OpenDBToRead(t.Context(), sourceIn(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(t.Context(), "INSERT INTO things VALUES (1)"); err == nil {
		t.Error("a reader has written")
	}
	if err := db.InTx(t.Context(), func(tx *Conn) error {
		_, err := tx.Exec(t.Context(), "INSERT INTO things VALUES (1)")
		return err
	}); err == nil {
		t.Error("a reader has written in a transaction")
	}
	var n int
	if err := db.QueryRow(t.Context(), []any{&n}, "SELECT count(*) FROM things"); err != nil || n != 0 {
		t.Errorf("%d rows, want none; %v", n, err)
	}
}

func TestPasswordsAreInNoError(t *testing.T) {
	for _, url := range []string{"postgres://shop:hunter2@127.0.0.1:1/shop", "postgres://shop:hunter2@127.0.0.1:port/shop", "hunter2://"} {
		_, err := OpenDB(t.Context(), Source{URL: url, Name: "test"}, schema("SELECT 1"), nil)
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error is %v", err)
		}
	}
}

func TestNumberPlaceholders(t *testing.T) {
	for query, want := range map[string]string{
		"SELECT 1":                             "SELECT 1",
		"UPDATE a SET b = ? WHERE c IN (?, ?)": "UPDATE a SET b = $1 WHERE c IN ($2, $3)",
		"?" + strings.Repeat("?", 10):          "$1$2$3$4$5$6$7$8$9$10$11",
	} {
		if got := numberPlaceholders(query); got != want {
			t.Errorf("%q becomes %q, want %q", query, got, want)
		}
	}
}
