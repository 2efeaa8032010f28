package httpmw

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// secretParameters are the query parameters whose values the conventions have
// redacted: signatures and credentials of presigned URLs.
func secretParameters() []string {
	return []string{
		"AWSAccessKeyId", "Signature", "sig", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "X-Goog-Signature",
	}
}

// redactor removes secrets from URLs.
type redactor struct {
	parameters map[string]bool
	// lengths has a bit for the length of each, as most others differ in it.
	lengths uint64
}

func newRedactor(parameters []string) redactor {
	r := redactor{parameters: map[string]bool{}}
	for _, name := range parameters {
		r.parameters[name] = true
		r.lengths |= 1 << min(len(name), 63)
	}
	return r
}

// query is the raw query with REDACTED for each secret value.
func (r redactor) query(raw string) string {
	var redacted strings.Builder
	copied := 0
	for at := 0; at < len(raw); {
		end := len(raw)
		if n := strings.IndexByte(raw[at:], '&'); n >= 0 {
			end = at + n
		}
		if equals := strings.IndexByte(raw[at:end], '='); equals >= 0 && r.secret(raw[at:at+equals]) {
			redacted.WriteString(raw[copied : at+equals+1])
			redacted.WriteString("REDACTED")
			copied = end
		}
		at = end + 1
	}
	if copied == 0 {
		return raw
	}
	redacted.WriteString(raw[copied:])
	return redacted.String()
}

func (r redactor) secret(name string) bool {
	if strings.IndexByte(name, '%') >= 0 || strings.IndexByte(name, '+') >= 0 {
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
	}
	return r.lengths&(1<<min(len(name), 63)) != 0 && r.parameters[name]
}

// full is url.full: the URL without its user, its secrets, and the fragment,
// which is not sent.
func (r redactor) full(u *url.URL) string {
	if path := u.EscapedPath(); strings.HasPrefix(path, "/") && u.Scheme != "" && u.Opaque == "" && usual(u.Host) {
		if u.RawQuery == "" && !u.ForceQuery {
			return u.Scheme + "://" + u.Host + path
		}
		return u.Scheme + "://" + u.Host + path + "?" + r.query(u.RawQuery)
	}
	plain := *u
	plain.User, plain.Fragment, plain.RawFragment = nil, "", ""
	plain.RawQuery = r.query(u.RawQuery)
	return plain.String()
}

// usual says that a host is written in a URL as it is.
func usual(host string) bool {
	for i := range len(host) {
		c := host[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != ':' && c != '-' {
			return false
		}
	}
	return host != ""
}

// splitHostPort takes apart host:port, [host]:port, host or [host]; port is 0
// if there is none.
func splitHostPort(text string) (host string, port int) {
	if colon := strings.LastIndexByte(text, ':'); colon > 0 && text[0] != '[' && strings.IndexByte(text, ':') == colon {
		if n, is := decimal(text[colon+1:]); is {
			return text[:colon], n
		}
	}
	host, after, found := strings.Cut(text, ":")
	if strings.HasPrefix(text, "[") {
		host, after, found = strings.Cut(text[1:], "]")
		after, _ = strings.CutPrefix(after, ":")
	} else if strings.Contains(after, ":") {
		return text, 0 // an IPv6 address without brackets
	}
	if !found {
		return text, 0
	}
	n, err := strconv.ParseUint(after, 10, 16)
	if err != nil {
		return host, 0
	}
	return host, int(n)
}

// decimal reads a port's number as nearly all are written.
func decimal(text string) (n int, is bool) {
	if len(text) == 0 || len(text) > 5 {
		return 0, false
	}
	for i := range len(text) {
		digit := text[i] - '0'
		if digit > 9 {
			return 0, false
		}
		n = 10*n + int(digit)
	}
	return n, n < 1<<16
}

// protocolVersion is network.protocol.version, and nothing for what HTTP has
// no version of.
func protocolVersion(major, minor int) string {
	switch {
	case major == 1 && minor == 1:
		return "1.1"
	case major == 2:
		return "2"
	case major == 1 && minor == 0:
		return "1.0"
	case major == 3:
		return "3"
	}
	return ""
}

func schemeOf(r *http.Request) string {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}
