package interop

import (
	"errors"
	"fmt"
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

// checkNames looks for all series by which Grafana and Jaeger find the service
// graph and the spans, for each kind of edge that the shop has.
func checkNames(t *testing.T, p prometheus) {
	const spans, graph = `service_name="gateway",span_kind="SPAN_KIND_SERVER",span_name!="",status_code!=""`, "traces_service_graph_request"
	names := []string{
		"traces_span_metrics_calls_total{" + spans + "}",
		"traces_span_metrics_duration_seconds_bucket{" + spans + "}",
		graph + `_failed_total{client="order",server="payment"}`,
		`target_info{job=~".*gateway"}`,
	}
	// A service is called user, so who calls the gateway is not.
	for client, edge := range map[string]string{
		"user (virtual)": `server="gateway",connection_type="virtual_node"`,
		"gateway":        `server="order",connection_type=""`,
		"order":          `server="notification",connection_type="messaging_system"`,
		"payment":        `server=~"sqlite.*",connection_type="database"`,
	} {
		selected := fmt.Sprintf(`{client=%q,%s}`, client, edge)
		names = append(names, graph+"_total"+selected)
		for _, part := range []string{"bucket", "sum", "count"} {
			names = append(names, graph+"_server_seconds_"+part+selected)
			if !strings.Contains(client, "virtual") { // It has no duration of its own.
				names = append(names, graph+"_client_seconds_"+part+selected)
			}
		}
	}
	for _, name := range names {
		eventually(t, name, func() error {
			samples, err := p.query(t, name)
			if err == nil && len(samples) == 0 {
				err = errors.New("no series")
			}
			return err
		})
	}
}
