package gateway

import (
	"math"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Limit is how much one client may ask for. A client is an IP address.
type Limit struct {
	// Rate is requests a second, on average; zero: as many as they like.
	Rate float64
	// Burst is how many may come at once.
	Burst int
}

// maxClients bounds the memory that clients take, about 200 bytes each.
const maxClients = 10_000

// limiter refuses clients that ask for too much. Safe for concurrent use.
type limiter struct {
	limit   Limit
	now     func() time.Time
	mu      sync.Mutex
	clients map[string]*rate.Limiter
}

func newLimiter(limit Limit) *limiter {
	return &limiter{limit: limit, now: time.Now, clients: map[string]*rate.Limiter{}}
}

// around lets the handler answer what is within the limits, and answers the
// rest with 429 and when to come again.
func (l *limiter) around(next http.Handler) http.Handler {
	if l.limit.Rate == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait := l.take(client(r)); wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
			platform.WriteProblem(w, r, *problem(http.StatusTooManyRequests, "too-many-requests", "You ask too often; come again later."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// take counts one request of the client, or returns how long it has to wait.
func (l *limiter) take(client string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	bucket := l.clients[client]
	if bucket == nil {
		l.makeRoom(now)
		bucket = rate.NewLimiter(rate.Limit(l.limit.Rate), l.limit.Burst)
		l.clients[client] = bucket
	}
	if bucket.AllowN(now, 1) {
		return 0
	}
	missing := 1 - bucket.TokensAt(now)
	return time.Duration(missing / l.limit.Rate * float64(time.Second))
}

// makeRoom forgets clients that might ask for all they may at once anyway, and
// everybody if that is not enough.
func (l *limiter) makeRoom(now time.Time) {
	if len(l.clients) < maxClients {
		return
	}
	for name, bucket := range l.clients {
		if bucket.TokensAt(now) >= float64(l.limit.Burst) {
			delete(l.clients, name)
		}
	}
	if len(l.clients) >= maxClients {
		clear(l.clients)
	}
}

// client is who asks: the address, without the port, at the other end. What a
// header claims is not believed.
func client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
