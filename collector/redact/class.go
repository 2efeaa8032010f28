package redact

// class is a set of bytes of which a text has some. To look for all of them at
// once is what makes texts cheap in which nothing is to be found.
type class uint8

const (
	space class = 1 << iota
	equals
	colon
	at
	digit
	letterJ // as in eyJ, with which JSON Web Tokens begin
)

// classes is made once and never written again.
var classes = newClasses()

func newClasses() (table [256]class) {
	table[' '], table['='], table[':'], table['@'], table['J'] = space, equals, colon, at, letterJ
	for c := byte('0'); c <= '9'; c++ {
		table[c] = digit
	}
	return table
}

func classesOf(text []byte) (has class) {
	for _, c := range text {
		has |= classes[c]
	}
	return has
}
