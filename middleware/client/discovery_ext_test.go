package client_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/middleware/client"
)

// discovery is one in the hands of a test.
type discovery func(ctx context.Context, service string) ([]client.Instance, error)

func (f discovery) Resolve(ctx context.Context, service string) ([]client.Instance, error) {
	return f(ctx, service)
}

func TestServiceWithoutInstances(t *testing.T) {
	for name, d := range map[string]client.Discovery{
		"unknown":   client.Static{},
		"none left": client.Static{"order": nil},
		"failing":   discovery(func(context.Context, string) ([]client.Instance, error) { return nil, errors.New("no server") }),
	} {
		o := newTelemetry()
		c := o.client(t, nil, client.WithDiscovery(d))
		closed := &closeable{Reader: strings.NewReader("x")}
		r := newRequest(t, t.Context(), http.MethodPost, "http://order/", nil)
		r.Body = closed
		if got := do(c, r); !errors.Is(got.err, client.ErrNoInstance) {
			t.Errorf("%s: got %+v", name, got)
		}
		if !closed.closed {
			t.Errorf("%s: the request's body is not closed", name)
		}
		if got := attributes(o.onlyCall(t).Attributes())["error.type"]; got != "no_instance" {
			t.Errorf("%s: error.type is %q", name, got)
		}
		if got := o.value(t, "waybill_client_resolve_failures_total", "peer_service=order"); got != 1 {
			t.Errorf("%s: %v failures are counted", name, got)
		}
	}
}

type closeable struct {
	*strings.Reader
	closed bool
}

func (c *closeable) Close() error {
	c.closed = true
	return nil
}

func TestDNS(t *testing.T) {
	lookup := func(_ context.Context, host string) ([]string, error) {
		if host != "order" {
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
		return []string{"10.0.0.2", "10.0.0.1", "fd00::1"}, nil
	}
	at := func(port string) []client.Instance {
		return []client.Instance{{Address: "10.0.0.1:" + port}, {Address: "10.0.0.2:" + port}, {Address: "[fd00::1]:" + port}}
	}
	for service, test := range map[string]struct {
		port int
		want []client.Instance
	}{
		"order":      {8080, at("8080")},
		"order:9000": {8080, at("9000")},
	} {
		got, err := client.DNS{Port: test.port, LookupHost: lookup}.Resolve(t.Context(), service)
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", service, err, diff)
		}
	}
	if got, _ := (client.DNS{LookupHost: lookup}).Resolve(t.Context(), "order"); got[0].Address != "10.0.0.1:80" {
		t.Errorf("without a port: %v", got)
	}
	if _, err := (client.DNS{LookupHost: lookup}).Resolve(t.Context(), "payment"); err == nil {
		t.Error("a name that is not there gave no error")
	}
}

// TestDNSOfTheSystem asks the resolver of this machine for what is always
// there.
func TestDNSOfTheSystem(t *testing.T) {
	one := serve(t, answers(http.StatusOK))
	_, port, _ := net.SplitHostPort(one.address())
	c := newTelemetry().client(t, transport(t), client.WithDiscovery(client.Cached(client.DNS{}, time.Minute, 0)))
	if got := get(t, c, "http://localhost:"+port+"/"); got.status != http.StatusOK {
		t.Errorf("got %+v", got)
	}
}

func TestSRV(t *testing.T) {
	d := client.SRV{Service: "http", Proto: "tcp", LookupSRV: func(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
		if service != "http" || proto != "tcp" || name != "order" {
			return "", nil, &net.DNSError{Err: "no such host", Name: name}
		}
		return "", []*net.SRV{
			{Target: "n2.example.", Port: 8002, Weight: 3, Priority: 1},
			{Target: "n1.example.", Port: 8001, Weight: 1, Priority: 1},
			{Target: "spare.example.", Port: 8001, Priority: 2},
		}, nil
	}}
	got, err := d.Resolve(t.Context(), "order:80")
	if diff := cmp.Diff([]client.Instance{{Address: "n1.example:8001", Weight: 1}, {Address: "n2.example:8002", Weight: 3}}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := d.Resolve(t.Context(), "payment"); err == nil {
		t.Error("a name that is not there gave no error")
	}
}

// asked is a discovery that counts, and answers as it is told.
type asked struct {
	mu    sync.Mutex
	times int
	took  time.Duration
	err   error
}

func (a *asked) set(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err = err
}

// Resolve tells how often it was asked as the weight of an instance.
func (a *asked) Resolve(ctx context.Context, _ string) ([]client.Instance, error) {
	a.mu.Lock()
	a.times++
	answer, took, err := []client.Instance{{Address: "a", Weight: a.times}}, a.took, a.err
	a.mu.Unlock()
	if took > 0 {
		select {
		case <-time.After(took):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return answer, err
}

func TestCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &asked{}
		cached := client.Cached(source, 10*time.Second, time.Minute)
		// want is which answer is to be given, or 0 for an error.
		want := func(what string, n int) {
			t.Helper()
			got, err := cached.Resolve(t.Context(), "order")
			if n == 0 && err == nil || n > 0 && (err != nil || got[0].Weight != n) {
				t.Errorf("%s: got %v, %v; want answer %d", what, got, err, n)
			}
		}
		want("at first", 1)
		time.Sleep(9 * time.Second)
		want("within the time", 1)
		time.Sleep(time.Second)
		want("after the time", 2)

		source.set(errors.New("no server"))
		time.Sleep(10 * time.Second)
		want("when it fails", 2) // was asked for the third time
		want("at once again", 2)
		time.Sleep(time.Second)
		want("a second later", 2) // and for the fourth
		if source.times != 4 {
			t.Errorf("asked %d times, want 4", source.times)
		}
		time.Sleep(58 * time.Second)
		want("until it is too old", 2)
		time.Sleep(time.Second)
		want("too old", 0)
		source.set(nil)
		want("when it is back", 7)
	})
}

func TestCacheAsksOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &asked{took: time.Second}
		cached := client.Cached(source, 10*time.Second, time.Minute)
		var wg sync.WaitGroup
		all := func(want int, most time.Duration) {
			t.Helper()
			for range 20 {
				wg.Go(func() {
					began := time.Now()
					got, err := cached.Resolve(t.Context(), "order")
					if err != nil || got[0].Weight != want && got[0].Weight != want-1 || time.Since(began) > most {
						t.Errorf("got %v, %v after %v; want answer %d", got, err, time.Since(began), want)
					}
				})
			}
			wg.Wait()
			if source.times != want {
				t.Errorf("asked %d times, want %d", source.times, want)
			}
		}
		all(1, time.Second)
		time.Sleep(10 * time.Second)
		all(2, time.Second)
		// A server of names that hangs does not keep anyone for long.
		source.took = time.Hour
		time.Sleep(10 * time.Second)
		all(3, 2*time.Second)
	})
}

// TestCacheOutlivesWhoAsked has the caller that asks give up, which must not
// make those fail who wait with it.
func TestCacheOutlivesWhoAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cached := client.Cached(&asked{took: 10 * time.Second}, time.Minute, 0)
		hasty, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		failed := make(chan error, 1)
		go func() {
			_, err := cached.Resolve(hasty, "order")
			failed <- err
		}()
		synctest.Wait()
		if got, err := cached.Resolve(t.Context(), "order"); err != nil || got[0].Weight != 2 {
			t.Errorf("got %v, %v; want the second answer", got, err)
		}
		if err := <-failed; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who gave up got %v", err)
		}
	})
}

func TestCacheSurvivesAPanic(t *testing.T) {
	first := true
	cached := client.Cached(discovery(func(context.Context, string) ([]client.Instance, error) {
		if first {
			first = false
			panic("no servers")
		}
		return []client.Instance{{Address: "a"}}, nil
	}), time.Minute, 0)
	func() {
		defer func() { _ = recover() }()
		_, _ = cached.Resolve(t.Context(), "order")
	}()
	if got, err := cached.Resolve(t.Context(), "order"); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v after a panic", got, err)
	}
}
