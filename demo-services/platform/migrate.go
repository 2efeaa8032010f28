package platform

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// migrate runs the *.sql files in the engine's folder of migrations, in the order
// of their numbers, each once and in a transaction of its own. Which have run
// stands in the table goose_db_version, so a file must never be changed, renamed
// or removed once it has been released.
func migrate(ctx context.Context, pool *sql.DB, e *engine, migrations fs.FS) error {
	files, err := fs.Sub(migrations, e.system)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(e.dialect, pool, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	done, newest, err := provider.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if done > newest {
		return fmt.Errorf("schema version %d is newer than this program's %d", done, newest)
	}
	_, err = provider.Up(ctx)
	return err
}
