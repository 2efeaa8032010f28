package httpmw_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

func TestPhasesAreAttributesOfTheSpan(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(nothing))
	t.Cleanup(server.Close)
	o := newTelemetry()
	client := o.client(t, server.Client().Transport, httpmw.WithPhases())
	for range 2 {
		get(t, client, server.URL)
	}
	spans := o.Spans.Ended()
	if len(spans) != 2 {
		t.Fatalf("%d spans, want 2", len(spans))
	}
	fresh, reused := attributes(spans[0]), attributes(spans[1])
	if fresh["waybill.http.connection.reused"] != "false" || reused["waybill.http.connection.reused"] != "true" {
		t.Errorf("reused is %q, then %q", fresh["waybill.http.connection.reused"], reused["waybill.http.connection.reused"])
	}
	for _, phase := range []string{"connect", "tls", "first_byte"} {
		took, err := strconv.ParseFloat(fresh["waybill.http."+phase+".duration"], 64)
		if whole := spans[0].EndTime().Sub(spans[0].StartTime()).Seconds(); err != nil || took <= 0 || took > whole {
			t.Errorf("%s took %q of %v s", phase, fresh["waybill.http."+phase+".duration"], whole)
		}
	}
	for key := range reused {
		if strings.HasSuffix(key, "connect.duration") || strings.HasSuffix(key, "tls.duration") {
			t.Errorf("a connection that was there has %s", key)
		}
	}
	if reused["waybill.http.first_byte.duration"] == "" {
		t.Error("the second request has no first byte")
	}
}

func TestPhaseThatFailsIsNotThere(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(nothing))
	url := server.URL
	server.Close() // nobody listens any more
	o := newTelemetry()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	client := o.client(t, base, httpmw.WithPhases())
	response, err := client.Do(newRequest(t, http.MethodGet, url, nil))
	if err == nil {
		_ = response.Body.Close()
		t.Fatal("there was an answer")
	}
	for key := range attributes(o.span(t)) {
		if strings.HasPrefix(key, "waybill.http.") {
			t.Errorf("%s is recorded", key)
		}
	}
}
