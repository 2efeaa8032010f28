package httpmw_test

import (
	"io"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// TestForgottenBodiesAreFoundAmongOthers opens a response a second and forgets
// every third; the others are read, some of them late.
func TestForgottenBodiesAreFoundAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests = 90
		o := newTelemetry()
		client := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			return answer(r, io.NopCloser(io.LimitReader(endless{}, 12))), nil
		}))
		for i := range requests {
			response, err := client.Do(newRequest(t, http.MethodGet, "http://x.example/"+strconv.Itoa(i), nil)) //nolint:bodyclose // what becomes of those who don't is the test
			if err != nil {
				t.Fatal(err)
			}
			switch i % 3 {
			case 0:
				_ = response.Body.Close()
			case 1:
				go func() {
					time.Sleep(30 * time.Second)
					_, _ = io.ReadAll(response.Body)
				}()
			}
			time.Sleep(time.Second)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		lasted := map[time.Duration]int{}
		for _, span := range o.Spans.Ended() {
			lasted[span.EndTime().Sub(span.StartTime())]++
		}
		if lasted[0] != requests/3*2 || lasted[30*time.Second] != requests/3 {
			t.Errorf("spans by their length: %v; want %d of none, as nobody read, and %d of 30 s", lasted, requests/3*2, requests/3)
		}
		// When all is over, so is the watch, and it begins anew.
		time.Sleep(time.Hour)
		forgotten, err := client.Do(newRequest(t, http.MethodGet, "http://x.example/", nil)) //nolint:bodyclose // as above
		if err != nil || forgotten == nil {
			t.Fatal(err)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if got := len(o.Spans.Ended()); got != requests+1 {
			t.Errorf("%d spans have ended, want %d", got, requests+1)
		}
	})
}

// TestHeadersOfARequestAreNotChanged has a round tripper beneath that changes
// the headers it gets, which are its own.
func TestHeadersOfARequestAreNotChanged(t *testing.T) {
	o := newTelemetry()
	client := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		r.Header.Add("Accept", "image/png")
		r.Header.Set("X-Key", "beneath")
		return answer(r, http.NoBody), nil
	}))
	r := newRequest(t, http.MethodGet, "http://x.example/", nil, "Accept", "text/html", "Accept", "text/plain")
	r.Header["Accept"] = append(make([]string, 0, 8), r.Header["Accept"]...) // with room to append to
	do(t, client, r)
	if got := r.Header["Accept"][:cap(r.Header["Accept"])][2]; len(r.Header) != 1 || len(r.Header["Accept"]) != 2 || got != "" {
		t.Errorf("headers after the request: %v, beyond them %q", r.Header, got)
	}
}
