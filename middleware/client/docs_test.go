package client_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/middleware/client"
)

const page = "../../docs/client.md"

// The code in docs/client.md is taken from the examples, which run.
func TestDocumentedCodeIsThatOfTheExamples(t *testing.T) {
	files, err := filepath.Glob("grpcclient/*_example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var examples strings.Builder
	for _, name := range append(files, "client_example_test.go") {
		examples.WriteString(unindented(t, name))
	}
	blocks := strings.Split(unindented(t, page), "\n```go\n")[1:]
	if len(blocks) < 4 {
		t.Fatalf("%d blocks of code, want more", len(blocks))
	}
	for _, block := range blocks {
		code, _, closed := strings.Cut(block, "```\n")
		if !closed || !strings.Contains(examples.String(), code) {
			t.Errorf("no example has:\n%s", code)
		}
	}
}

func unindented(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		b.WriteString(strings.TrimLeft(line, "\t"))
	}
	return b.String()
}

// TestDocumentedMetricsAreThoseThatThereAre has everything go wrong, so that
// each metric has a series, and looks for their names in the page.
func TestDocumentedMetricsAreThoseThatThereAre(t *testing.T) {
	o := newTelemetry()
	c := o.client(t, &health{status: http.StatusServiceUnavailable}, client.WithDiscovery(list(1)),
		client.WithRetry(client.Retry{Attempts: 2, Delay: 1, MaxDelay: 1, Burst: 1}),
		client.WithBreaker(client.Breaker{Failures: 3, OpenFor: time.Hour}))
	for range 4 { // one that is retried, one that is not, and two that find the circuit open
		get(t, c, "http://order/")
	}
	get(t, c, "http://unknown/")
	slow := roundTripper(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	get(t, o.client(t, slow, client.WithDiscovery(list(1, 1)), client.WithHedging(time.Millisecond), client.WithTimeout(50*time.Millisecond)), "http://order/")
	text := unindented(t, page)
	families, err := o.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	ours := 0
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "waybill_client_") {
			continue
		}
		ours++
		if !strings.Contains(text, "`"+family.GetName()+"`") {
			t.Errorf("%s does not name %s", page, family.GetName())
		}
	}
	if documented := strings.Count(text, "| `waybill_client_"); ours != 9 || documented != ours {
		t.Errorf("%d metrics, and %d in the page; want 9", ours, documented)
	}
}
