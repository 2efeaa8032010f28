package order

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// beginSaga has the order's saga driven by whoever calls until it is due.
func beginSaga(ctx context.Context, tx *platform.Conn, o Order, due time.Time) error {
	headers, err := json.Marshal(o.Headers)
	if err != nil {
		return fmt.Errorf("encode headers: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO sagas (order_id, card_token, headers, due_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (order_id) DO UPDATE SET due_at = excluded.due_at`, o.ID, o.CardToken, string(headers), due.UnixMilli())
	return err
}

// Claim takes over one saga that has not ended and is due, for as long as the
// lease; nobody else gets it meanwhile. It returns ErrUnknown when none is due.
func (s *Store) Claim(ctx context.Context, lease time.Duration) (Order, error) {
	now := s.now()
	var id, card, headers string
	var attempts, failures int
	err := s.db.InTx(ctx, func(tx *platform.Conn) error {
		return tx.QueryRow(ctx, []any{&id, &card, &headers, &attempts, &failures}, `UPDATE sagas SET due_at = ?, attempts = attempts + 1
			WHERE order_id = (SELECT order_id FROM sagas WHERE due_at <= ? AND parked_at = 0 ORDER BY due_at LIMIT 1)
			RETURNING order_id, card_token, headers, attempts, failures`, now.Add(lease).UnixMilli(), now.UnixMilli())
	})
	if errors.Is(err, sql.ErrNoRows) {
		return Order{}, ErrUnknown
	}
	if err != nil {
		return Order{}, err
	}
	o, err := s.Find(ctx, id)
	if err != nil {
		return Order{}, err
	}
	o.CardToken, o.Attempts, o.Failures = card, attempts, failures
	if err := json.Unmarshal([]byte(headers), &o.Headers); err != nil {
		return Order{}, fmt.Errorf("decode headers of order %s: %w", id, err)
	}
	return o, nil
}

// Postpone notes that a saga's compensation has failed, and keeps it from being
// taken up before the wait is over.
func (s *Store) Postpone(ctx context.Context, id string, wait time.Duration, cause error) error {
	_, err := s.db.Exec(ctx, "UPDATE sagas SET due_at = ?, failures = failures + 1, last_error = ? WHERE order_id = ?",
		s.now().Add(wait).UnixMilli(), cause.Error(), id)
	return err
}

// Park notes that a saga's compensation has failed so often that nobody is to
// try any more, until Release.
func (s *Store) Park(ctx context.Context, id string, cause error) error {
	_, err := s.db.Exec(ctx, "UPDATE sagas SET parked_at = ?, failures = failures + 1, last_error = ? WHERE order_id = ?",
		s.now().UnixMilli(), cause.Error(), id)
	return err
}

// Parked says which of the orders have a saga that is parked. It asks for no more
// of them at once than a list has.
func (s *Store) Parked(ctx context.Context, ids ...string) (map[string]bool, error) {
	parked := map[string]bool{}
	if len(ids) == 0 {
		return parked, nil
	}
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	err := s.db.Query(ctx, func(scan platform.Scan) error {
		var id string
		err := scan(&id)
		parked[id] = true
		return err
	}, "SELECT order_id FROM sagas WHERE parked_at > 0 AND order_id IN (?"+strings.Repeat(", ?", len(ids)-1)+")", args...)
	return parked, err
}

// Release has a parked saga taken up again at once, as if nothing had failed.
// One that is not parked stays as it is. It returns ErrUnknown when the order
// has no saga under way.
func (s *Store) Release(ctx context.Context, id string) error {
	return s.db.InTx(ctx, func(tx *platform.Conn) error {
		if _, err := tx.Exec(ctx, "UPDATE sagas SET parked_at = 0, failures = 0, due_at = ? WHERE order_id = ? AND parked_at > 0",
			s.now().UnixMilli(), id); err != nil {
			return err
		}
		var there int
		err := tx.QueryRow(ctx, []any{&there}, "SELECT 1 FROM sagas WHERE order_id = ?", id)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrUnknown
		}
		return err
	})
}

// SagaState is what is known of a saga that has not ended.
type SagaState struct {
	Order Order
	// LastError is how the last compensation failed, if one has.
	LastError string
	// DueAt is when it goes on by itself, ParkedAt since when it does not; the
	// other is zero.
	DueAt, ParkedAt time.Time
}

// Sagas reads those that have not ended, or of them those that are parked: these
// first, then what is due first.
func (s *Store) Sagas(ctx context.Context, parkedOnly bool, limit int) ([]SagaState, error) {
	where := "true"
	if parkedOnly {
		where = "parked_at > 0"
	}
	var all []SagaState
	err := s.db.Query(ctx, func(scan platform.Scan) error {
		var one SagaState
		var due, parked int64
		if err := scan(&one.Order.ID, &one.Order.Attempts, &one.Order.Failures, &one.LastError, &due, &parked); err != nil {
			return err
		}
		if parked > 0 {
			one.ParkedAt = time.UnixMilli(parked).UTC()
		} else {
			one.DueAt = time.UnixMilli(due).UTC()
		}
		all = append(all, one)
		return nil
	}, `SELECT order_id, attempts, failures, last_error, due_at, parked_at FROM sagas WHERE `+where+`
		ORDER BY parked_at = 0, due_at LIMIT ?`, limit)
	if err != nil {
		return nil, err
	}
	for i := range all {
		known := all[i].Order
		o, err := s.Find(ctx, known.ID)
		if err != nil {
			return nil, fmt.Errorf("order %s: %w", known.ID, err)
		}
		o.Attempts, o.Failures = known.Attempts, known.Failures
		all[i].Order = o
	}
	return all, nil
}
