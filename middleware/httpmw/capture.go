package httpmw

import (
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
)

// captured is a header that is recorded.
type captured struct {
	name string // as http.Header spells it
	key  attribute.Key
}

// captures adds headers to a list; the names of their attributes begin with
// prefix.
func captures(list []captured, prefix string, names []string) []captured {
	for _, name := range names {
		list = append(list, captured{name: http.CanonicalHeaderKey(name), key: attribute.Key(prefix + strings.ToLower(name))})
	}
	return list
}

// capture records those of the headers that are there.
func capture(scratch *instrument.Scratch, list []captured, header http.Header) {
	for _, c := range list {
		if values := header[c.name]; len(values) > 0 {
			scratch.Add(c.key.StringSlice(values))
		}
	}
}
