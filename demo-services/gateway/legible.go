package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"unicode"
)

// legible says that a text has no control characters: no name of the shop's has any,
// PostgreSQL takes no NUL at all, and lines that are not ours are not to come into
// logs and mail.
func legible(text string) bool { return !strings.ContainsFunc(text, unicode.IsControl) }

// legibleJSON says so of all strings in what is known to be JSON.
func legibleJSON(content []byte) bool {
	for decoder := json.NewDecoder(bytes.NewReader(content)); ; {
		token, err := decoder.Token()
		if err != nil {
			return true // It is the end.
		}
		if text, is := token.(string); is && !legible(text) {
			return false
		}
	}
}

// legiblePaths answers that there is nothing where no name can be.
func legiblePaths(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !legible(r.URL.Path) {
			notFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
