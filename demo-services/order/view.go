package order

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Views answers queries from the read model, which is a moment behind. Safe
// for concurrent use.
type Views struct{ db *platform.DB }

// NewViews returns the queries of an opened database.
func NewViews(db *platform.DB) *Views { return &Views{db: db} }

// Find reads one order, or returns ErrUnknown. It is never behind: what is not
// in the read model yet is made of the events.
func (v *Views) Find(ctx context.Context, id string) (Order, error) {
	view, err := findView(ctx, &v.db.Conn, id)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Order{}, err
	}
	var newest int64
	if err := v.db.QueryRow(ctx, []any{&newest}, "SELECT coalesce(max(version), 0) FROM events WHERE order_id = ?", id); err != nil {
		return Order{}, err
	}
	if newest == view.Version && newest > 0 {
		return view, nil
	}
	return rebuild(ctx, &v.db.Conn, id)
}

// Filter says which orders to list; what is zero does not matter.
type Filter struct {
	UserID string
	Status orderv1.Status
	// From is the first moment, To is after the last.
	From, To time.Time
	Limit    int
}

// List reads orders, the newest first.
func (v *Views) List(ctx context.Context, f Filter) ([]Order, error) {
	where := []string{"true"}
	var args []any
	and := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if f.UserID != "" {
		and("user_id = ?", f.UserID)
	}
	if f.Status != orderv1.Status_STATUS_UNSPECIFIED {
		steps := stepsOf(f.Status)
		and("step IN (?"+strings.Repeat(", ?", len(steps)-1)+")", steps...)
	}
	if !f.From.IsZero() {
		and("created_at >= ?", f.From.UnixMilli())
	}
	if !f.To.IsZero() {
		and("created_at < ?", f.To.UnixMilli())
	}
	var orders []Order
	err := eachView(ctx, &v.db.Conn, func(o Order) { orders = append(orders, o) },
		"WHERE "+strings.Join(where, " AND ")+" ORDER BY created_at DESC, id LIMIT ?", append(args, f.Limit)...)
	return orders, err
}

// stepsOf are the steps that customers see as the status.
func stepsOf(status orderv1.Status) []any {
	var steps []any
	for _, step := range []Step{Created, Reserved, Paid, Confirmed, Cancelling, Cancelled, Shipped, Delivered} {
		if step.status() == status {
			steps = append(steps, step)
		}
	}
	return steps
}

// Statistic is how many orders of one currency have a status, and what they
// cost together, in minor units.
type Statistic struct {
	Status   orderv1.Status
	Currency string
	Orders   int64
	Amount   int64
}

// Statistics counts all orders, in the order of status and currency.
func (v *Views) Statistics(ctx context.Context) ([]Statistic, error) {
	return v.statistics(ctx, "")
}

// StatisticsOf counts one customer's orders, as Statistics does.
func (v *Views) StatisticsOf(ctx context.Context, userID string) ([]Statistic, error) {
	return v.statistics(ctx, "WHERE user_id = ?", userID)
}

func (v *Views) statistics(ctx context.Context, where string, args ...any) ([]Statistic, error) {
	var statistics []Statistic
	err := v.db.Query(ctx, func(scan platform.Scan) error {
		var step Step
		var one Statistic
		if err := scan(&step, &one.Currency, &one.Orders, &one.Amount); err != nil {
			return err
		}
		one.Status = step.status()
		for i, s := range statistics {
			if s.Status == one.Status && s.Currency == one.Currency {
				statistics[i].Orders += one.Orders
				statistics[i].Amount += one.Amount
				return nil
			}
		}
		statistics = append(statistics, one)
		return nil
	}, "SELECT step, currency, count(*), sum(amount) FROM order_views "+where+" GROUP BY step, currency", args...)
	slices.SortFunc(statistics, func(a, b Statistic) int {
		if a.Status != b.Status {
			return int(a.Status - b.Status)
		}
		return strings.Compare(a.Currency, b.Currency)
	})
	return statistics, err
}

// findView reads the view of one order, or returns sql.ErrNoRows.
func findView(ctx context.Context, on *platform.Conn, id string) (o Order, err error) {
	found := false
	err = eachView(ctx, on, func(view Order) { o, found = view, true }, "WHERE id = ?", id)
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return o, err
}

// eachView reads the views that the rest of the statement selects.
func eachView(ctx context.Context, on *platform.Conn, each func(Order), rest string, args ...any) error {
	return on.Query(ctx, func(scan platform.Scan) error {
		var o Order
		var lines string
		var created, updated int64
		if err := scan(&o.ID, &o.Version, &o.UserID, &o.Step, &o.Reason, &o.Currency, &o.Amount, &lines, &created, &updated); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(lines), &o.Lines); err != nil {
			return fmt.Errorf("decode lines of order %s: %w", o.ID, err)
		}
		o.CreatedAt, o.UpdatedAt = time.UnixMilli(created).UTC(), time.UnixMilli(updated).UTC()
		each(o)
		return nil
	}, "SELECT id, version, user_id, step, reason, currency, amount, lines, created_at, updated_at FROM order_views "+rest, args...)
}

// storeView puts an order into the read model, in place of what it was.
func storeView(ctx context.Context, tx *platform.Conn, o Order) error {
	lines, err := json.Marshal(o.Lines)
	if err != nil {
		return fmt.Errorf("encode lines of order %s: %w", o.ID, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO order_views
		(id, version, user_id, step, reason, currency, amount, lines, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET version = excluded.version, step = excluded.step, reason = excluded.reason,
			amount = excluded.amount, lines = excluded.lines, updated_at = excluded.updated_at`,
		o.ID, o.Version, o.UserID, o.Step, o.Reason, o.Currency, o.Amount, string(lines), o.CreatedAt.UnixMilli(), o.UpdatedAt.UnixMilli())
	return err
}
