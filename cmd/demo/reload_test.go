package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestTheFileIsFollowed changes the collector's part, which is taken over, and
// the viewer's, of which only the listener's rule is.
func TestTheFileIsFollowed(t *testing.T) {
	config := writeFile(t, freePorts)
	p := runProgram(t, nil, "--config", config, "--gateway", "127.0.0.1:0", "--rate", "0")
	metrics := p.address(t, "collector") + "/metrics"
	get := func(url string) (status int, text string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, "" // The connection was from before a change.
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	reloads := func(outcome string) bool {
		_, text := get(metrics)
		return strings.Contains(text, `waybill_config_reloads_total{outcome="`+outcome+`"} 1`)
	}
	rewrite := func(text string) {
		t.Helper()
		if err := os.WriteFile(config+".next", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(config+".next", config); err != nil {
			t.Fatal(err)
		}
	}
	rewrite(freePorts + "redact: {enabled: true}\n")
	eventually(t, "the file is taken over", func() bool { return reloads("applied") })
	rewrite(strings.Replace(freePorts, "viewer: {", "viewer: {max_traces: 1000, ", 1))
	eventually(t, "the file is refused", func() bool { return reloads("refused") })
	rewrite(strings.Replace(freePorts, "viewer: {", "viewer: {auth: {bearer: t0ken}, ", 1))
	eventually(t, "the viewer wants a token", func() bool {
		status, _ := get(p.address(t, "viewer") + "/api/services")
		return status == http.StatusUnauthorized
	})
	if status, _ := p.stop(t); status != 0 || !strings.Contains(p.errs.String(), "viewer.max_traces") {
		t.Errorf("status %d, it said %s", status, p.errs)
	}
}

func TestVersionCommand(t *testing.T) {
	p := runProgram(t, nil, "version")
	if status := p.wait(t); status != 0 || !strings.HasPrefix(p.out.String(), "version   ") {
		t.Errorf("%d %s", status, p.out)
	}
	if status := runProgram(t, nil, "version", "more").wait(t); status != 2 {
		t.Errorf("with something behind it: %d", status)
	}
}
