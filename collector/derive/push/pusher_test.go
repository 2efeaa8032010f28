package push

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/waybill-dev/waybill/collector/export"
)

// fake is a sender that keeps what it is given, and how it is to end.
type fake struct {
	pushes []int // how many metrics each had
	ended  int
	at     []time.Time
	closed bool
}

func (f *fake) send(_ context.Context, metrics []metric, at time.Time) (int, error) {
	f.pushes, f.at = append(f.pushes, len(metrics)), append(f.at, at)
	for i := range metrics {
		if metrics[i].gone {
			f.ended++
		}
	}
	return len(metrics), nil
}

func (f *fake) close() { f.closed = true }

// TestPusherKeepsTime pushes at its interval, and when it stops what there is
// and the end of all.
func TestPusherKeepsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shop, f := newShop(), &fake{}
		shop.order("order", 1)
		shop.failed = errors.New("one series is broken")
		var logged bytes.Buffer
		p, err := start(shop, f, time.Minute, newMeters("test"), prometheus.NewRegistry(), slog.New(slog.NewTextHandler(&logged, nil)))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5*time.Minute + time.Second)
		shop.order("user", 1)
		p.Shutdown(t.Context())
		if n := len(f.pushes); n < 7 || n > 8 || !f.closed {
			t.Fatalf("%d pushes", n)
		}
		last := len(f.pushes) - 2
		for i := 1; i < last; i++ {
			if gap := f.at[i].Sub(f.at[i-1]); gap != time.Minute || f.pushes[i] != 2 {
				t.Errorf("push %d after %v, of %d metrics", i, gap, f.pushes[i])
			}
		}
		if f.pushes[last] != 4 || f.pushes[last+1] != 4 || f.ended != 4 || !f.at[last+1].After(f.at[last]) {
			t.Errorf("pushes: %v; %d metrics ended", f.pushes, f.ended)
		}
		if got := testutil.ToFloat64(p.meters.succeeded); got != float64(f.at[last+1].Truncate(time.Second).Unix()) {
			t.Errorf("the last success was at %v", got)
		}
		if !strings.Contains(logged.String(), "one series is broken") {
			t.Errorf("logged: %s", &logged)
		}
	})
}

// TestShutdownIsBounded has a backend that does not answer.
func TestShutdownIsBounded(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	cfg := DefaultRemoteWrite()
	cfg.Endpoint = server.URL
	shop := newShop()
	shop.order("order", 1)
	p, err := StartRemoteWrite(cfg, shop, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	p.Shutdown(ctx)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestMetersAreWellFormed(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	if err := errors.Join(newMeters("remote_write").register(reg), newMeters("otlp").register(reg)); err != nil {
		t.Fatal(err)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if n, err := testutil.GatherAndCount(reg); err != nil || n != 10 {
		t.Errorf("%d metrics, %v", n, err)
	}
}

func TestTLS(t *testing.T) {
	var pushed atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		pushed.Add(1)
		w.WriteHeader(http.StatusNoContent)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	defer server.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, tls := range map[int64]export.TLS{0: {}, 1: {CAFile: file}} {
		cfg := DefaultOTLP()
		cfg.Endpoint, cfg.TLS = server.URL, tls
		m := newManual(t, func(m *meters, _ *slog.Logger) (sender, error) { return newOTLP(cfg, m) })
		m.shop.order("order", 1)
		m.pushFor(map[int64]time.Duration{0: time.Second, 1: time.Minute}[want])
		if sent, _, _, _ := m.outcomes(); sent != float64(2*want) {
			t.Errorf("with %+v %v values are sent", tls, sent)
		}
	}
	if pushed.Load() != 1 {
		t.Errorf("%d requests arrived", pushed.Load())
	}
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte("none"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tls := range []export.TLS{{CAFile: garbage}, {CAFile: garbage + ".missing"}, {CertFile: garbage, KeyFile: garbage}} {
		rw, otlp := DefaultRemoteWrite(), DefaultOTLP()
		rw.Endpoint, rw.TLS, otlp.Endpoint, otlp.TLS = server.URL, tls, server.URL, tls
		_, err1 := StartRemoteWrite(rw, newShop(), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		_, err2 := StartOTLP(otlp, newShop(), prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err1 == nil || err2 == nil || !strings.Contains(err1.Error(), "tls: ") {
			t.Errorf("%+v: %v, %v", tls, err1, err2)
		}
	}
}

func TestReasonIsShort(t *testing.T) {
	if got := reason(errors.New("x" + strings.Repeat("\xff", 999))); len(got) > maxReason+8 || !strings.HasPrefix(got, "x?") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}
