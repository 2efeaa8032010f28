package sqlmw_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/middleware/sqlmw"
)

// TestPoolTellsWhoWaits has two databases in one service, and a statement of one
// of them wait for its only connection.
func TestPoolTellsWhoWaits(t *testing.T) {
	telemetry, _ := setup(t)
	busy := open(t, sqlmw.WithTelemetry(telemetry))
	busy.SetMaxOpenConns(1)
	idle, err := sqlmw.OpenDB(instant{}, sqlmw.WithTelemetry(telemetry), sqlmw.WithDatabase("postgresql", "users"), sqlmw.WithServer("/run/pg", 0))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = idle.Close() }()
	conn, err := busy.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	waiting, giveUp := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer giveUp()
	if _, err := busy.ExecContext(waiting, "DELETE FROM orders"); err == nil {
		t.Fatal("there is a second connection")
	}
	const (
		orders = `db_client_connection_pool_name="orders",`
		users  = `db_client_connection_pool_name="/run/pg/users",`
		system = `db_namespace="orders",db_system_name="sqlite"`
	)
	served := exposition(t, telemetry)
	for _, want := range []string{
		`db_client_connection_count{` + orders + `db_client_connection_state="used",` + system,
		`db_client_connection_count{` + users + `db_client_connection_state="used",db_namespace="users",db_system_name="postgresql"`,
		`waybill_db_client_connection_waits_total{` + orders + system,
	} {
		if !strings.Contains(served, want) {
			t.Errorf("there is no %s in\n%s", want, served)
		}
	}
	for start, value := range map[string]string{
		`db_client_connection_count{` + orders + `db_client_connection_state="used"`: "1",
		`db_client_connection_count{` + orders + `db_client_connection_state="idle"`: "0",
		`db_client_connection_max{` + orders:                                         "1",
		`waybill_db_client_connection_waits_total{` + orders:                         "1",
		`waybill_db_client_connection_waits_total{` + users:                          "0",
	} {
		_, line, _ := strings.Cut(served, "\n"+start)
		line, _, _ = strings.Cut(line, "\n")
		if !strings.HasSuffix(strings.TrimSuffix(line, ".0"), " "+value) {
			t.Errorf("%s… is %s, want %s", start, line, value)
		}
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}
