package httpmw

import (
	"net/http"
	"os"
	"strings"
)

// otherMethod stands for every method that is not known: a client may send
// any word, and each would be a series.
const otherMethod = "_OTHER"

// methods are the known ones.
type methods map[string]bool

// newMethods knows those of the option, or of the environment, or the
// conventions' own.
func newMethods(known []string) methods {
	if len(known) == 0 {
		for method := range strings.SplitSeq(os.Getenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"), ",") {
			if method = strings.TrimSpace(method); method != "" {
				known = append(known, method)
			}
		}
	}
	if len(known) == 0 {
		known = []string{
			http.MethodConnect, http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodOptions,
			http.MethodPatch, http.MethodPost, http.MethodPut, http.MethodTrace, "QUERY",
		}
	}
	m := methods{}
	for _, method := range known {
		m[method] = true
	}
	return m
}

// name is the value of http.request.method. A client's request without a
// method is a GET.
func (m methods) name(method string) string {
	if method == "" {
		method = http.MethodGet
	}
	if m[method] {
		return method
	}
	return otherMethod
}

// inSpanName is the method as span names have it.
func inSpanName(method string) string {
	if method == otherMethod {
		return "HTTP"
	}
	return method
}
