package collector

import (
	"fmt"
	"strings"
)

// suggestion asks whether one of the known keys was meant; it is empty where
// none is near.
func suggestion(key string, known []string) string {
	near, best := "", len(key)/3+2
	for _, candidate := range known {
		if d := distance(plain(key), plain(candidate)); d < best {
			near, best = candidate, d
		}
	}
	if near == "" {
		near = begunBy(key, known)
	}
	if near == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %s? ", near)
}

// begunBy finds a key of which another was cut short, such as addr of address.
func begunBy(key string, known []string) string {
	if len(key) < 3 {
		return ""
	}
	for _, candidate := range known {
		if strings.HasPrefix(candidate, plain(key)) {
			return candidate
		}
	}
	return ""
}

// plain takes away how else a key of several words may be written.
func plain(key string) string {
	return strings.ToLower(strings.NewReplacer("-", "_", " ", "_").Replace(key))
}

// distance is the least number of bytes to insert, delete, replace, or swap
// with their neighbour, that makes b of a.
func distance(a, b string) int {
	rows := [3][]int{} // two before, one before, this
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
	}
	for j := range rows[2] {
		rows[2][j] = j
	}
	for i := range len(a) {
		rows[0], rows[1], rows[2] = rows[1], rows[2], rows[0]
		rows[2][0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			least := min(rows[1][j+1]+1, rows[2][j]+1, rows[1][j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				least = min(least, rows[0][j-1]+1)
			}
			rows[2][j+1] = least
		}
	}
	return rows[2][len(b)]
}
