package sqlmw_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"

	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
	"github.com/waybill-dev/waybill/middleware/sqlmw"
)

// broken is a driver of which every statement fails like this.
type broken struct{ err error }

func (b broken) Connect(context.Context) (driver.Conn, error) { return b, nil }
func (b broken) Driver() driver.Driver                        { return b }
func (b broken) Open(string) (driver.Conn, error)             { return b, nil }
func (b broken) Prepare(string) (driver.Stmt, error)          { return prepared{}, nil }
func (b broken) Begin() (driver.Tx, error)                    { return nil, b.err }
func (b broken) Close() error                                 { return nil }

func (b broken) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return nil, b.err
}

// prepared is a statement that works.
type prepared struct{}

func (prepared) Close() error                               { return nil }
func (prepared) NumInput() int                              { return -1 }
func (prepared) Exec([]driver.Value) (driver.Result, error) { return driver.RowsAffected(1), nil }
func (prepared) Query([]driver.Value) (driver.Rows, error)  { return nil, io.EOF }

// sqlState is an error as those of PostgreSQL's drivers.
type sqlState string

func (s sqlState) Error() string    { return "the database says " + string(s) }
func (s sqlState) SQLState() string { return string(s) }

func TestErrorsAreSortedIntoFewClasses(t *testing.T) {
	for _, c := range []struct {
		err         error
		code, class string
		status      codes.Code
	}{
		{fmt.Errorf("insert: %w", sqlState("23505")), "23505", "23505", codes.Error},
		{driver.ErrBadConn, "", "bad_connection", codes.Error},
		{context.DeadlineExceeded, "", "timeout", codes.Error},
		{context.Canceled, "", "canceled", codes.Unset},
		{io.ErrUnexpectedEOF, "", "connection_closed", codes.Error},
		{errors.New("order 4711 is not there"), "", "*errors.errorString", codes.Error},
	} {
		telemetry, spans := setup(t)
		db, err := sqlmw.OpenDB(broken{c.err}, sqlmw.WithTelemetry(telemetry))
		if err != nil {
			t.Fatal(err)
		}
		ctx, request := telemetry.TracerProvider().Tracer("test").Start(t.Context(), "request")
		if _, err := db.ExecContext(ctx, "DELETE FROM orders"); err == nil {
			t.Fatalf("%v: no error", c.err)
		}
		request.End()
		span := spans.Ended()[0]
		got := instrumenttest.Attributes(span.Attributes())
		if got["error.type"] != c.class || got["db.response.status_code"] != c.code || span.Status().Code != c.status {
			t.Errorf("%v: span has %v, %v", c.err, got, span.Status())
		}
		if len(span.Events()) > 0 || span.Status().Description != "" {
			t.Errorf("%v: the error's text is told: %v, %v", c.err, span.Events(), span.Status())
		}
		want := fmt.Sprintf(`db_query_summary="DELETE orders",db_response_status_code=%q,db_system_name="",error_type=%q`, c.code, c.class)
		if !strings.Contains(exposition(t, telemetry), want) {
			t.Errorf("%v: no series %s", c.err, want)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestErrorCodesOfOtherDrivers(t *testing.T) {
	telemetry, spans := setup(t)
	db, err := sqlmw.OpenDB(broken{errors.New("ORA-00942")}, sqlmw.WithTelemetry(telemetry), sqlmw.WithErrorCode(error.Error))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ctx, request := telemetry.TracerProvider().Tracer("test").Start(t.Context(), "request")
	defer request.End()
	if _, err := db.ExecContext(ctx, "DELETE FROM orders"); err == nil {
		t.Fatal("no error")
	}
	if got := instrumenttest.Attributes(spans.Ended()[0].Attributes())["db.response.status_code"]; got != "ORA-00942" {
		t.Errorf("code is %q", got)
	}
}

// TestStatementThatMustBePreparedIsTimedOnce has a driver that leaves to
// database/sql what it can't do at once.
func TestStatementThatMustBePreparedIsTimedOnce(t *testing.T) {
	telemetry, _ := setup(t)
	db, err := sqlmw.OpenDB(broken{driver.ErrSkip}, sqlmw.WithTelemetry(telemetry))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), "DELETE FROM orders"); err != nil {
		t.Fatal(err)
	}
	want := `db_client_operation_duration_seconds_count{db_namespace="",db_query_summary="DELETE orders",db_response_status_code="",` +
		`db_system_name="",error_type="",server_address=""} 1`
	if served := exposition(t, telemetry); !strings.Contains(served, want) || strings.Contains(served, "skipped") {
		t.Errorf("there is no %s, or more", want)
	}
}
