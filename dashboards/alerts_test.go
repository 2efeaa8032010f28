package dashboards

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// alert is one rule of alerts.yml.
type alert struct {
	Alert, Expr string
	Labels      struct{ Severity string }
	Annotations struct {
		Summary, Description string
		RunbookURL           string `yaml:"runbook_url"`
	}
}

// alerts are all of them.
func alerts(t *testing.T) (all []alert) {
	t.Helper()
	content, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct{ Rules []alert }
	}
	if err := yaml.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are none")
	}
	return all
}

// TestAlertsLeadToTheirRunbook finds a heading of docs/alerts.md for each alert, and
// a case of promtool's in which it fires.
func TestAlertsLeadToTheirRunbook(t *testing.T) {
	runbook, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range alerts(t) {
		if a.Annotations.Summary == "" || a.Annotations.Description == "" || a.Labels.Severity != "page" && a.Labels.Severity != "ticket" {
			t.Errorf("%s: want a summary, a description, and a severity of page or ticket: %+v", a.Alert, a)
		}
		anchor := "docs/alerts.md#" + strings.ToLower(a.Alert)
		if !strings.HasSuffix(a.Annotations.RunbookURL, anchor) || !strings.Contains(string(runbook), "\n## "+a.Alert+"\n") {
			t.Errorf("%s: its runbook is %q, want %s, and that heading", a.Alert, a.Annotations.RunbookURL, anchor)
		}
		if !strings.Contains(string(tests), anchor) {
			t.Errorf("%s: no test has it fire", a.Alert)
		}
	}
}

// TestTheShopHasTheSeries finds each series that alerts and the shop's dashboard ask
// for in the services' code.
func TestTheShopHasTheSeries(t *testing.T) {
	var code strings.Builder
	err := filepath.WalkDir("../demo-services", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		content, err := os.ReadFile(path)
		code.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	asked := Expressions()
	for _, a := range alerts(t) {
		asked = append(asked, Expression{"alerts.yml", a.Alert, a.Expr})
	}
	found := 0
	for _, e := range asked {
		for _, series := range regexp.MustCompile(`\bshop_\w+`).FindAllString(e.Expr, -1) {
			found++
			if name := strings.TrimSuffix(series, "_bucket"); !strings.Contains(code.String(), `"`+name+`"`) {
				t.Errorf("%s, %q: no service has %s", e.Dashboard, e.Panel, series)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d series are asked for", found)
	}
}
