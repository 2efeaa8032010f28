package dashboards

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

func TestTheJSONIsUpToDate(t *testing.T) {
	var want []string
	for _, d := range All() {
		want = append(want, d.Filename())
		content, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		stored, err := os.ReadFile(d.Filename())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(content), string(stored)); diff != "" {
			t.Errorf("%s is not what the source makes; run `go generate ./dashboards` (-source +file):\n%s", d.Filename(), diff)
		}
	}
	got, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("other files than dashboards (-dashboards +files):\n%s", diff)
	}
}

// The rules of Grafana's dashboard-linter, on the JSON as Grafana reads it.
func TestRules(t *testing.T) {
	for _, d := range All() {
		t.Run(d.UID, func(t *testing.T) {
			if d.Editable {
				t.Error("the dashboard can be edited, although its source is here")
			}
			checkVariables(t, d)
			ids := map[int]bool{}
			for _, p := range d.Panels {
				if ids[p.ID] || p.ID == 0 {
					t.Errorf("panel %q: the id %d is not its own", p.Title, p.ID)
				}
				ids[p.ID] = true
				if p.Type != "row" {
					checkPanel(t, p)
				}
			}
		})
	}
}

func checkVariables(t *testing.T, d Dashboard) {
	t.Helper()
	variables := map[string]Variable{}
	sources := 0
	for _, v := range d.Templating.List {
		variables[v.Name] = v
		if v.Type == "datasource" {
			sources++
		}
	}
	if v := variables["datasource"]; sources != 1 || v.Type != "datasource" || v.Query != "prometheus" {
		t.Errorf("want one data source variable, for Prometheus, got %d and %+v", sources, v)
	}
	for _, name := range []string{"job", "instance"} {
		v := variables[name]
		if v.Type != "query" || !v.Multi || !v.IncludeAll || v.AllValue != ".+" || v.Datasource == nil || v.Datasource.UID != "${datasource}" {
			t.Errorf("variable %s: want a query for several values, all of which match .+, got %+v", name, v)
		}
	}
	used := regexp.MustCompile(`\$(\w+)`)
	for _, e := range Expressions() {
		for _, name := range used.FindAllStringSubmatch(e.Expr, -1) {
			if _, known := variables[name[1]]; e.Dashboard == d.Title && !known && name[1] != "__rate_interval" {
				t.Errorf("panel %q: nobody knows the variable %s", e.Panel, name[0])
			}
		}
	}
}

func checkPanel(t *testing.T, p Panel) {
	t.Helper()
	if p.Title == "" || p.Description == "" || p.FieldConfig == nil || p.FieldConfig.Defaults.Unit == "" {
		t.Errorf("panel %q: want a title, a description and a unit", p.Title)
	}
	if p.Datasource == nil || p.Datasource.UID != "${datasource}" {
		t.Errorf("panel %q: want the chosen data source, got %+v", p.Title, p.Datasource)
	}
	if g := p.GridPos; g.W <= 0 || g.H <= 0 || g.X+g.W > gridWidth {
		t.Errorf("panel %q lies beside the dashboard: %+v", p.Title, g)
	}
	if len(p.Targets) == 0 {
		t.Errorf("panel %q has no query", p.Title)
	}
	for _, target := range p.Targets {
		checkExpression(t, p.Title, target.Expr)
		if target.Datasource.UID != "${datasource}" {
			t.Errorf("panel %q: a query goes to %q", p.Title, target.Datasource.UID)
		}
	}
}

// selection is one selector of an expression: a metric, its matchers, and what
// stands around it.
var selection = regexp.MustCompile(`(\w+\()?(\w+)\{([^}]*)\}(\[[^\]]*\])?`)

func checkExpression(t *testing.T, panel, expr string) {
	t.Helper()
	found := selection.FindAllStringSubmatch(expr, -1)
	if len(found) == 0 {
		t.Errorf("panel %q: no selector in %s", panel, expr)
	}
	for _, f := range found {
		function, metric, matchers, window := f[1], f[2], f[3], f[4]
		for _, matcher := range []string{`job=~"$job"`, `instance=~"$instance"`} {
			if !strings.Contains(matchers, matcher) {
				t.Errorf("panel %q: %s is not selected by %s", panel, metric, matcher)
			}
		}
		counter := regexp.MustCompile(`_(total|count|sum|bucket)$`).MatchString(metric)
		if counter != (function == "rate(") {
			t.Errorf("panel %q: rate is for counters, and counters are for rate: %s", panel, f[0])
		}
		if counter && window != "[$__rate_interval]" {
			t.Errorf("panel %q: the window of %s is %q, want $__rate_interval", panel, metric, window)
		}
	}
}

func TestDurationsHaveExemplars(t *testing.T) {
	for _, d := range All() {
		for _, p := range d.Panels {
			if p.Type == "row" || p.FieldConfig.Defaults.Unit != "s" {
				continue
			}
			if !slices.ContainsFunc(p.Targets, func(t Target) bool { return t.Exemplar }) {
				t.Errorf("panel %q shows no exemplars", p.Title)
			}
		}
	}
}

// TestVisitsHaveAllOutcomes compares what the dashboard asks for with what the shopper
// tells apart: who asks for an outcome that is not there gets zero for ever.
func TestVisitsHaveAllOutcomes(t *testing.T) {
	code, err := os.ReadFile("../demo-services/shopper/metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, constant := range regexp.MustCompile(`(?m)^\t\w+ +outcome = "(\w+)"|^\t\w+ += "(\w+)"`).FindAllStringSubmatch(string(code), -1) {
		want = append(want, constant[1]+constant[2])
	}
	for _, e := range Expressions() {
		if strings.Contains(e.Expr, visits) {
			for _, matcher := range regexp.MustCompile(`outcome="(\w+)"`).FindAllStringSubmatch(e.Expr, -1) {
				got = append(got, matcher[1])
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
		t.Errorf("other outcomes (-shopper +dashboard):\n%s", diff)
	}
}

func TestPanelsDoNotOverlap(t *testing.T) {
	for _, d := range All() {
		for i, a := range d.Panels {
			for _, b := range d.Panels[i+1:] {
				p, q := a.GridPos, b.GridPos
				if p.X < q.X+q.W && q.X < p.X+p.W && p.Y < q.Y+q.H && q.Y < p.Y+p.H {
					t.Errorf("%q and %q overlap", a.Title, b.Title)
				}
			}
		}
	}
}

// datasources is what of the provisioning file the test looks at.
type datasources struct {
	APIVersion  int `yaml:"apiVersion"`
	Datasources []struct {
		UID      string `yaml:"uid"`
		Type     string `yaml:"type"`
		URL      string `yaml:"url"`
		Editable *bool  `yaml:"editable"`
		JSONData struct {
			Exemplars []struct {
				Name          string `yaml:"name"`
				DatasourceUID string `yaml:"datasourceUid"`
				URL           string `yaml:"url"`
			} `yaml:"exemplarTraceIdDestinations"`
			Derived []struct {
				MatcherType   string `yaml:"matcherType"`
				MatcherRegex  string `yaml:"matcherRegex"`
				DatasourceUID string `yaml:"datasourceUid"`
			} `yaml:"derivedFields"`
			TracesToLogs struct {
				DatasourceUID string `yaml:"datasourceUid"`
			} `yaml:"tracesToLogsV2"`
			TracesToMetrics struct {
				DatasourceUID string `yaml:"datasourceUid"`
			} `yaml:"tracesToMetrics"`
		} `yaml:"jsonData"`
	} `yaml:"datasources"`
}

func TestDatasourcesLeadToEachOther(t *testing.T) {
	content, err := os.ReadFile("provisioning/datasources/waybill.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file datasources
	if err := yaml.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, d := range file.Datasources {
		types[d.UID] = d.Type
		if d.Editable == nil || *d.Editable || d.URL == "" {
			t.Errorf("data source %s: want an address, and not editable", d.UID)
		}
	}
	want := map[string]string{"prometheus": "prometheus", "jaeger": "jaeger", "loki": "loki"}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Fatalf("other data sources (-want +got):\n%s", diff)
	}
	links := map[string]string{}
	for _, d := range file.Datasources {
		for _, e := range d.JSONData.Exemplars {
			links["exemplar "+e.Name+" "+e.URL] = e.DatasourceUID
		}
		for _, f := range d.JSONData.Derived {
			links["log "+f.MatcherType+" "+f.MatcherRegex] = f.DatasourceUID
		}
		if to := d.JSONData.TracesToLogs.DatasourceUID; to != "" {
			links["trace to logs"] = to
		}
		if to := d.JSONData.TracesToMetrics.DatasourceUID; to != "" {
			links["trace to metrics"] = to
		}
	}
	wantLinks := map[string]string{
		"exemplar trace_id ": "jaeger",
		"exemplar trace_id http://127.0.0.1:16686/trace/$${__value.raw}": "",
		"log label trace_id": "jaeger",
		"trace to logs":      "loki",
		"trace to metrics":   "prometheus",
	}
	if diff := cmp.Diff(wantLinks, links); diff != "" {
		t.Errorf("other links (-want +got):\n%s", diff)
	}
}
