package interop

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/interop/backend"
)

// prometheus is the base URL of a real Prometheus.
type prometheus string

// start runs Prometheus with the configuration that Compose gives it, except
// that it scrapes the target, and every second, until the test ends.
func (p prometheus) start(t *testing.T, target string) {
	t.Helper()
	p.startWith(t, prometheusConfig(t, target))
}

// prometheusConfig is the configuration that start gives.
func prometheusConfig(t *testing.T, target string) string {
	t.Helper()
	content, err := os.ReadFile(deployed(t, "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	config := replaceOnce(t, string(content), "collector:8889", target)
	config = replaceOnce(t, config, "/etc/prometheus/alerts.yml", alerts(t, "alerts.yml"))
	config = replaceOnce(t, config, "evaluation_interval: 15s", "evaluation_interval: 1s")
	return replaceOnce(t, config, "scrape_interval: 5s", "scrape_interval: 1s")
}

// startWith runs Prometheus until the test ends.
func (p prometheus) startWith(t *testing.T, config string) {
	t.Helper()
	address := strings.TrimPrefix(string(p), "http://")
	process := launch(t, nil, built(t, backend.Prometheus()), append(prometheusFlags(),
		"--config.file="+writeFile(t, "prometheus.yml", config),
		"--storage.tsdb.path="+t.TempDir(),
		"--web.listen-address="+address)...)
	eventually(t, "Prometheus answers", func() error {
		if err := process.running(); err != nil {
			t.Fatal(err)
		}
		_, err := p.query(t, "vector(1)")
		return err
	})
}

// prometheusFlags turn on what Waybill needs of Prometheus.
func prometheusFlags() []string {
	return []string{"--web.enable-otlp-receiver", "--web.enable-remote-write-receiver", "--enable-feature=exemplar-storage"}
}

// deployed is the path of one of the configuration files that Compose uses.
func deployed(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func replaceOnce(t *testing.T, content, from, to string) string {
	t.Helper()
	if strings.Count(content, from) != 1 {
		t.Fatalf("%q is to be there once:\n%s", from, content)
	}
	return strings.Replace(content, from, to, 1)
}

// sample is one series of an instant query's answer.
type sample struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"` // seconds since 1970, and the value as text
}

func (s sample) value() (float64, error) { return strconv.ParseFloat(fmt.Sprint(s.Value[1]), 64) }

// answer is what every answer of Prometheus's API is wrapped in.
type answer[T any] struct {
	Status string `json:"status"`
	Data   T      `json:"data"`
}

// query evaluates an expression now.
func (p prometheus) query(t *testing.T, expr string) ([]sample, error) {
	t.Helper()
	var got answer[struct {
		Result []sample `json:"result"`
	}]
	err := getJSON(t, string(p)+"/api/v1/query?query="+url.QueryEscape(expr), &got)
	return got.Data.Result, err
}

// number evaluates an expression that has one series.
func (p prometheus) number(t *testing.T, expr string) (float64, error) {
	t.Helper()
	samples, err := p.query(t, expr)
	if err != nil {
		return 0, err
	}
	if len(samples) != 1 {
		return 0, fmt.Errorf("%s has %d series: %v", expr, len(samples), samples)
	}
	return samples[0].value()
}

// exemplarTraces are the ids of the traces that the series' exemplars name.
func (p prometheus) exemplarTraces(t *testing.T, selector string) (map[string]bool, error) {
	t.Helper()
	var got answer[[]struct {
		Exemplars []struct {
			Labels map[string]string `json:"labels"`
		} `json:"exemplars"`
	}]
	now := time.Now()
	query := url.Values{
		"query": {selector},
		"start": {now.Add(-time.Hour).Format(time.RFC3339)}, "end": {now.Add(time.Minute).Format(time.RFC3339)},
	}
	if err := getJSON(t, string(p)+"/api/v1/query_exemplars?"+query.Encode(), &got); err != nil {
		return nil, err
	}
	traces := map[string]bool{}
	for _, series := range got.Data {
		for _, exemplar := range series.Exemplars {
			traces[exemplar.Labels["trace_id"]] = true
		}
	}
	return traces, nil
}
