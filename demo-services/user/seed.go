package user

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
	for i, n := range names {
		users[i] = User{ID: "usr_" + n.id, Name: n.name, Email: n.id + "@example.com"}
		users[i].Blocked = users[i].ID == BlockedID
	}
	return users
}
