package interop

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/dashboards"
)

// checkDashboards has Prometheus parse every expression of every dashboard, and
// evaluate it over the orders' metrics: a panel without data has a wrong name
// in it.
func checkDashboards(t *testing.T, p prometheus) {
	variables := strings.NewReplacer(
		"$__rate_interval", "1m", "$job", ".+", "$instance", ".+", "$service", ".+", "$kind", ".+",
	)
	for _, e := range dashboards.Expressions() {
		expr := variables.Replace(e.Expr)
		if strings.Contains(expr, "$") {
			t.Errorf("%s, %q: a variable that this test does not know: %s", e.Dashboard, e.Panel, expr)
			continue
		}
		var formatted answer[string]
		if err := getJSON(t, string(p)+"/api/v1/format_query?query="+url.QueryEscape(expr), &formatted); err != nil {
			t.Errorf("%s, %q: Prometheus does not read %s: %v", e.Dashboard, e.Panel, expr, err)
			continue
		}
		eventually(t, e.Dashboard+", "+e.Panel, func() error {
			samples, err := p.query(t, expr)
			if err == nil && len(samples) == 0 {
				err = errors.New("no data: " + expr)
			}
			return err
		})
	}
}
