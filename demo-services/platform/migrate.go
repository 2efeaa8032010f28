package platform

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
)

// migrate runs the *.sql files at the root of migrations, in the order of
// their names, each once and in a transaction of its own. How many have run
// stands in the database's user_version, so a file must never be changed,
// renamed or removed once it has been released.
func migrate(ctx context.Context, pool *sql.DB, migrations fs.FS) error {
	names, err := fs.Glob(migrations, "*.sql")
	if err != nil {
		return err
	}
	slices.Sort(names)
	var done int
	if err := pool.QueryRowContext(ctx, "PRAGMA user_version").Scan(&done); err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if done > len(names) {
		return fmt.Errorf("schema version %d is newer than this program's %d", done, len(names))
	}
	for i := done; i < len(names); i++ {
		if err := runMigration(ctx, pool, migrations, names[i], i+1); err != nil {
			return fmt.Errorf("%s: %w", names[i], err)
		}
	}
	return nil
}

func runMigration(ctx context.Context, pool *sql.DB, migrations fs.FS, name string, version int) error {
	statements, err := fs.ReadFile(migrations, name)
	if err != nil {
		return err
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // After Commit it does nothing.
	if _, err := tx.ExecContext(ctx, string(statements)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "PRAGMA user_version = "+strconv.Itoa(version)); err != nil {
		return err
	}
	return tx.Commit()
}
