package platform

import (
	"context"
	"database/sql/driver"
	"errors"

	"go.opentelemetry.io/otel/trace"
)

// hook is what happens before statements; see DB.BeforeStatements.
type hook struct{ before func(context.Context) }

// late is an argument of a statement that is made when it runs, of a context in
// which its span is.
type late func(context.Context) string

// hooked gives connections that do what the shop adds to a driver. They lie
// beneath the observation, so that it sees a database that takes its time.
type hooked struct {
	driver.Connector
	hook *hook
}

// Connect implements driver.Connector.
func (h hooked) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := h.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	able, ok := conn.(ableConn)
	if !ok {
		return nil, errors.Join(errors.New("BUG: the driver's connections can't do what the shop's do"), conn.Close())
	}
	return hookedConn{able, h.hook}, nil
}

// ableConn is what the connections of the shop's drivers have in common.
type ableConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
}

type hookedConn struct {
	ableConn
	hook *hook
}

// ExecContext implements driver.ExecerContext.
func (c hookedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.prepare(ctx, args)
	return c.ableConn.ExecContext(ctx, query, args)
}

// QueryContext implements driver.QueryerContext.
func (c hookedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.prepare(ctx, args)
	return c.ableConn.QueryContext(ctx, query, args)
}

// prepare makes the late arguments in their place: database/sql has made the
// list for this one call.
func (c hookedConn) prepare(ctx context.Context, args []driver.NamedValue) {
	if c.hook.before != nil && trace.SpanContextFromContext(ctx).IsValid() {
		c.hook.before(ctx)
	}
	for i, arg := range args {
		if text, is := arg.Value.(late); is {
			args[i].Value = text(ctx)
		}
	}
}

// CheckNamedValue implements driver.NamedValueChecker, which pgx needs.
func (c hookedConn) CheckNamedValue(value *driver.NamedValue) error {
	if _, is := value.Value.(late); is {
		return nil
	}
	if checker, checks := c.ableConn.(driver.NamedValueChecker); checks {
		return checker.CheckNamedValue(value)
	}
	return driver.ErrSkip
}

// IsValid implements driver.Validator, which SQLite needs.
func (c hookedConn) IsValid() bool {
	validator, validates := c.ableConn.(driver.Validator)
	return !validates || validator.IsValid()
}
