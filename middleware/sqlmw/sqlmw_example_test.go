package sqlmw_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/waybill-dev/waybill/middleware"
	"github.com/waybill-dev/waybill/middleware/sqlmw"
)

func Example() {
	ctx := context.Background()
	telemetry, err := middleware.Setup(ctx, middleware.WithoutGlobals(),
		middleware.WithGetenv(func(name string) (string, bool) { return "none", strings.HasSuffix(name, "_EXPORTER") }))
	if err != nil {
		log.Print(err)
		return
	}
	db, err := sqlmw.Open("sqlite", ":memory:", sqlmw.WithTelemetry(telemetry), sqlmw.WithDatabase("sqlite", "orders"))
	if err != nil {
		log.Print(err)
		return
	}
	defer func() { _ = db.Close() }()
	var item string
	if err := db.QueryRowContext(ctx, "SELECT ?", "tea").Scan(&item); err != nil {
		log.Print(err)
		return
	}
	fmt.Println(item)
	// Output: tea
}
