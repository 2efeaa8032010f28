package interop

import (
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/interop/backend"
)

// lokiServer is the base URL of a real Loki.
type lokiServer string

// startLoki runs Loki with the configuration that Compose gives it, except for
// its addresses and its folder, until the test ends.
func startLoki(t *testing.T) lokiServer {
	t.Helper()
	address := freeAddress(t)
	host, port, _ := strings.Cut(address, ":")
	content, err := os.ReadFile(deployed(t, "loki.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	config := replaceOnce(t, string(content), "http_listen_port: 3100",
		fmt.Sprintf("http_listen_address: %s\n  http_listen_port: %s\n  grpc_listen_address: %[1]s\n  grpc_listen_port: 0", host, port))
	config = strings.ReplaceAll(config, "/loki", t.TempDir())
	process := launch(t, nil, built(t, backend.Loki()), "-config.file="+writeFile(t, "loki.yaml", config))
	l := lokiServer("http://" + address)
	eventually(t, "Loki is ready", func() error {
		if err := process.running(); err != nil {
			t.Fatal(err)
		}
		return alive(t, string(l)+"/ready")
	})
	return l
}

// line is one entry of Loki's. What it is found by and its structured metadata
// are one set of labels in an answer.
type line struct {
	Labels map[string]string
	Text   string
	At     time.Time
}

// lines are those of the last hour that the LogQL query selects.
func (l lokiServer) lines(t *testing.T, query string) ([]line, error) {
	t.Helper()
	var got answer[struct {
		Result []struct {
			Stream map[string]string `json:"stream"`
			Values [][2]string       `json:"values"` // nanoseconds since 1970, and the line
		} `json:"result"`
	}]
	now := time.Now()
	ask := url.Values{
		"query": {query}, "limit": {"1000"},
		"start": {strconv.FormatInt(now.Add(-time.Hour).UnixNano(), 10)},
		"end":   {strconv.FormatInt(now.Add(time.Minute).UnixNano(), 10)},
	}
	if err := getJSON(t, string(l)+"/loki/api/v1/query_range?"+ask.Encode(), &got); err != nil {
		return nil, err
	}
	var lines []line
	for _, stream := range got.Data.Result {
		for _, value := range stream.Values {
			nanoseconds, err := strconv.ParseInt(value[0], 10, 64)
			if err != nil {
				return nil, err
			}
			lines = append(lines, line{Labels: stream.Stream, Text: value[1], At: time.Unix(0, nanoseconds)})
		}
	}
	return lines, nil
}

// checkLogs looks in Loki for what the order service said of one order, by the
// id of the order's trace.
func checkLogs(t *testing.T, l lokiServer, ids map[string]string) {
	for name, id := range ids {
		eventually(t, "Loki has a line about the order that is "+name, func() error {
			lines, err := l.lines(t, fmt.Sprintf(`{service_name=~".+"} | trace_id=%q`, id))
			if err != nil {
				return err
			}
			for _, line := range lines {
				if line.Labels["span_id"] == "" || line.Labels["trace_id"] != id || line.Text == "" {
					return fmt.Errorf("the line %+v does not say which span it belongs to", line)
				}
			}
			if len(lines) == 0 {
				return fmt.Errorf("no line has the trace %s", id)
			}
			return nil
		})
	}
}
