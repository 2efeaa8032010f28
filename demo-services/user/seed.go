package user

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// BlockedID is the customer who may not order.
const BlockedID = "usr_mallory"

// Seed is the customers that a new shop starts with.
func Seed() []User {
	names := []struct{ id, name string }{
		{"ada", "Ada Lindqvist"},
		{"bruno", "Bruno Carvalho"},
		{"chloe", "Chloe Martin"},
		{"daniel", "Daniel Osei"},
		{"elif", "Elif Yilmaz"},
		{"farid", "Farid Haddad"},
		{"greta", "Greta Hoffmann"},
		{"hiro", "Hiro Tanaka"},
		{"ines", "Ines Navarro"},
		{"jonas", "Jonas Berg"},
		{"kamala", "Kamala Rao"},
		{"liam", "Liam Byrne"},
		{"mei", "Mei Chen"},
		{"nadia", "Nadia Petrova"},
		{"omar", "Omar Farouk"},
		{"priya", "Priya Sharma"},
		{"quinn", "Quinn Taylor"},
		{"rosa", "Rosa Bianchi"},
		{"sven", "Sven Larsen"},
		{"mallory", "Mallory Grey"},
	}
	users := make([]User, len(names))
	opened := time.Date(2026, time.January, 5, 9, 0, 0, 0, time.UTC) // One customer a week came.
	for i, n := range names {
		users[i] = User{
			ID: "usr_" + n.id, Name: n.name, Email: n.id + "@example.com", CreatedAt: opened.AddDate(0, 0, 7*i),
		}
		users[i].Blocked = users[i].ID == BlockedID
	}
	return users
}

// demoHash is what is kept of DemoPassword. Everybody knows the one and may know
// the other; to make it at each start would cost every start a tenth of a second.
const demoHash = "$2a$10$ojot8HJpm/dYVqFDjJ/6Ku08w5qBua6SywELy25BNnFICps3rlPSK"

// AddSeed stores the seed's users, with DemoPassword, in a new database, and has
// the shop told of them as of anybody who registers, in a trace of its own. In
// a database that has them already they stay as they are.
func (s *Store) AddSeed(ctx context.Context, tp trace.TracerProvider) error {
	users := Seed()
	if _, err := s.Find(ctx, users[0].ID); !errors.Is(err, ErrUnknown) {
		return err
	}
	for i := range users {
		users[i].passwordHash = demoHash
	}
	ctx, span := tp.Tracer("github.com/waybill-dev/waybill/demo-services/user").Start(ctx, "add seed users", trace.WithNewRoot())
	defer span.End()
	err := s.Add(ctx, users)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}
