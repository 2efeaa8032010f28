// Package audit compares the databases of the shop's services with each other:
// whether each order is either done or undone everywhere, and whether money,
// stock and messages add up.
package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/notification"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
	"github.com/waybill-dev/waybill/demo-services/user"
)

// Books are what all services know, each read at one moment of its own. While
// the shop is at work they differ by what is under way.
type Books struct {
	Orders       map[string]*order.Account
	Charges      map[string]payment.Charge
	Provider     map[string]psp.Charge
	Reservations map[string]*inventory.ReservationAccount
	Items        map[string]inventory.ItemAccount
	// Users are when each customer came; nil where the user service is not
	// audited. Histories are since when the order service knows them.
	Users, Histories map[string]time.Time
	// Messages are how many customers were sent about each order, and Queued those
	// that wait to be sent.
	Messages, Queued map[string]int
	// Outboxes are how many events each service has that are not on the bus.
	Outboxes map[string]int
	// Letters are how many events of each order a consumer has given up on, and
	// Told what is on the bus of each order; nil if that is not known. See ReadBus.
	Letters map[string]int
	Told    map[string]Told
}

// Read reads the databases of all services (that of the user service may be
// missing), each of which is in one of the
// places: directories, or URLs of PostgreSQL databases. It changes nothing, and
// the services may be running.
func Read(ctx context.Context, places ...string) (*Books, error) {
	b := &Books{Outboxes: map[string]int{}, Letters: map[string]int{}}
	for _, part := range []struct {
		name string
		read func(context.Context, *platform.Conn) error
	}{
		{"notification", func(ctx context.Context, on *platform.Conn) (err error) {
			if b.Messages, err = notification.Accounts(ctx, on); err != nil {
				return err
			}
			b.Queued, err = notification.Queue(ctx, on)
			return err
		}},
		{"order", func(ctx context.Context, on *platform.Conn) (err error) {
			if b.Orders, err = order.Accounts(ctx, on); err != nil {
				return err
			}
			b.Histories, err = order.HistoryAccounts(ctx, on)
			return err
		}},
		{"payment", func(ctx context.Context, on *platform.Conn) (err error) {
			b.Charges, err = payment.Accounts(ctx, on)
			return err
		}},
		{"psp", func(ctx context.Context, on *platform.Conn) (err error) {
			b.Provider, err = psp.Accounts(ctx, on)
			return err
		}},
		{"inventory", func(ctx context.Context, on *platform.Conn) (err error) {
			b.Reservations, b.Items, err = inventory.Accounts(ctx, on)
			return err
		}},
		{"user", func(ctx context.Context, on *platform.Conn) (err error) {
			b.Users, err = user.Accounts(ctx, on)
			return err
		}},
	} {
		err := b.readOne(ctx, places, part.name, part.read)
		if part.name == "user" && errors.Is(err, errNowhere) {
			continue // Orders may be audited where their customers are not known.
		}
		if err != nil {
			return nil, fmt.Errorf("read the database of %s: %w", part.name, err)
		}
	}
	return b, nil
}

// errNowhere is a database that can't be found.
var errNowhere = errors.New("it is in none of the places that were named")

// publishers are the services that have an outbox.
var publishers = map[string]bool{"order": true, "payment": true, "inventory": true, "user": true}

// readOne reads one service's database at one moment.
func (b *Books) readOne(ctx context.Context, places []string, name string, read func(context.Context, *platform.Conn) error) error {
	db, err := open(ctx, places, name)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // Nothing was written.
	return db.InTx(ctx, func(tx *platform.Conn) error {
		if err := read(ctx, tx); err != nil {
			return err
		}
		if !publishers[name] {
			return nil
		}
		var n int
		err := tx.QueryRow(ctx, []any{&n}, "SELECT count(*) FROM outbox")
		b.Outboxes[name] = n
		return err
	})
}

// open opens a service's database in the first of the places where it is.
func open(ctx context.Context, places []string, name string) (*platform.DB, error) {
	for _, place := range places {
		at := platform.Source{Dir: place, Name: name}
		if strings.Contains(place, "://") {
			at = platform.Source{URL: place, Name: name}
		}
		db, err := platform.OpenDBToRead(ctx, at)
		if !errors.Is(err, fs.ErrNotExist) {
			return db, err
		}
	}
	return nil, errNowhere
}
