package sqlmw

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"

	"go.opentelemetry.io/otel/attribute"

	"github.com/waybill-dev/waybill/middleware/internal/neterror"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// The classes of what is not the database's own: a connection that has broken,
// for which database/sql tries another one, and driver.ErrSkip, for which it
// prepares the statement.
const (
	badConnection = "bad_connection"
	skipped       = "skipped"
)

// isFailure says whether a span is to have the status of an error.
func isFailure(err error) bool {
	return !errors.Is(err, sql.ErrNoRows) && !errors.Is(err, context.Canceled)
}

// onSpan is what a span tells of an error: its class, which is the database's
// own code if there is one.
func (o *observer) onSpan(err error) []attribute.KeyValue { return o.failure(err, semconv.ErrorType) }

// onSeries is the same for the durations.
func (o *observer) onSeries(err error) []attribute.KeyValue { return o.failure(err, failureKey) }

func (o *observer) failure(err error, key attribute.Key) []attribute.KeyValue {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if code := o.errorCode(err); code != "" {
		return []attribute.KeyValue{key.String(code), semconv.DBResponseStatusCode.String(code)}
	}
	return []attribute.KeyValue{key.String(class(err))}
}

// class sorts errors that are not the database's own.
func class(err error) string {
	switch {
	case errors.Is(err, driver.ErrBadConn):
		return badConnection
	case errors.Is(err, driver.ErrSkip):
		return skipped
	}
	if kind := neterror.Type(err); kind != neterror.Other {
		return kind
	}
	return fmt.Sprintf("%T", err)
}

// errorCode asks the errors of pgx, lib/pq and modernc.org/sqlite, without
// linking them.
func errorCode(err error) string {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return state.SQLState()
	}
	var coded interface{ Code() int }
	if errors.As(err, &coded) {
		return strconv.Itoa(coded.Code())
	}
	return ""
}
