package order

import (
	"strings"
	"unicode"
)

// legible says that texts have no control characters: no name of the shop's has any,
// and a NUL is not even to be looked for in PostgreSQL. An order that has one would
// be refused by a database, or by whoever else the saga calls, with an error that
// says nothing.
func legible(texts ...string) bool {
	for _, text := range texts {
		if strings.ContainsFunc(text, unicode.IsControl) {
			return false
		}
	}
	return true
}
