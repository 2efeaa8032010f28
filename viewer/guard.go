package viewer

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// policy lets a page load nothing but what the viewer itself serves, and run
// no script and no style that stands in the markup: whatever a span's
// attributes say, it stays text.
const policy = "default-src 'self'; script-src 'self'; style-src 'self'; object-src 'none'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'self'"

// secure adds the headers that keep a browser from doing more than was meant.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// guard refuses requests for names that are not the viewer's. A page of
// somebody else's can have its own name resolve to this address, and would
// then be taken by the browser to be of the same origin: DNS rebinding.
type guard struct {
	// open lets every name pass.
	open  bool
	hosts []string
	next  http.Handler
}

// newGuard guards what listens on addr, after Config.Hosts.
func newGuard(addr net.Addr, hosts []string, next http.Handler) *guard {
	tcp, ok := addr.(*net.TCPAddr)
	loopback := ok && tcp.IP.IsLoopback()
	g := &guard{open: !loopback && len(hosts) == 0, next: next}
	for _, h := range hosts {
		g.hosts = append(g.hosts, hostName(h))
	}
	return g
}

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.allows(r.Host) {
		http.Error(w, "The viewer does not answer to this name; the setting viewer.hosts can allow it.", http.StatusForbidden)
		return
	}
	g.next.ServeHTTP(w, r)
}

// allows decides on a Host header. An IP address is no name, so it cannot have
// been rebound.
func (g *guard) allows(host string) bool {
	if g.open {
		return true
	}
	name := hostName(host)
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.Contains(g.hosts, name)
}

// hostName is the host without port, brackets and closing dot, in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
