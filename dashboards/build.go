package dashboards

import "fmt"

// source is the data source that the reader has chosen.
func source() *DatasourceRef { return &DatasourceRef{Type: "prometheus", UID: "${datasource}"} }

// datasourceVariable chooses among the Prometheus servers that Grafana knows.
func datasourceVariable() Variable {
	return Variable{Name: "datasource", Label: "Data source", Type: "datasource", Query: "prometheus", Refresh: 1}
}

// labelVariable chooses among the values of a label on the series. All of them
// together match with .+, so that a series without the label is left out.
func labelVariable(name, label, title, series string) Variable {
	return Variable{
		Name: name, Label: title, Type: "query", Datasource: source(),
		Query:   fmt.Sprintf("label_values(%s, %s)", series, label),
		Refresh: 2, Sort: 1, Multi: true, IncludeAll: true, AllValue: ".+",
		Current: &Choice{Text: []string{"All"}, Value: []string{"$__all"}},
	}
}

// query is one expression and what its series are called.
type query struct {
	expr, legend string
	// exemplars draws the examples behind the series.
	exemplars bool
}

// graph is a panel of lines over time.
type graph struct {
	title, description string
	// unit is Grafana's name of it: reqps, percentunit, s.
	unit    string
	queries []query
}

func (g graph) panel() Panel {
	zero := 0
	p := Panel{
		Type: "timeseries", Title: g.title, Description: g.description, Datasource: source(),
		FieldConfig: &FieldConfig{
			Defaults: FieldDefaults{
				Unit: g.unit, Min: &zero,
				Custom: Custom{DrawStyle: "line", LineWidth: 1, FillOpacity: 8, ShowPoints: "never"},
			},
			Overrides: []struct{}{},
		},
		Options: &Options{
			Legend:  Legend{DisplayMode: "table", Placement: "bottom", ShowLegend: true, Calcs: []string{"lastNotNull", "max"}},
			Tooltip: Tooltip{Mode: "multi", Sort: "desc"},
		},
	}
	if g.unit == "percentunit" {
		one := 1
		p.FieldConfig.Defaults.Max = &one
	}
	for i, q := range g.queries {
		p.Targets = append(p.Targets, Target{
			RefID: string(rune('A' + i)), Datasource: *source(), Expr: q.expr, LegendFormat: q.legend, Range: true, Exemplar: q.exemplars,
		})
	}
	return p
}

// row is a heading and the panels below it, which share its width.
type row struct {
	title  string
	graphs []graph
}

const (
	gridWidth   = 24
	panelHeight = 9
)

// layOut puts rows below each other and numbers all panels.
func layOut(rows []row) []Panel {
	var panels []Panel
	y := 0
	add := func(p Panel) {
		p.ID = len(panels) + 1
		panels = append(panels, p)
	}
	for _, r := range rows {
		open := false
		add(Panel{Type: "row", Title: r.title, Collapsed: &open, GridPos: GridPos{Y: y, W: gridWidth, H: 1}})
		y++
		width := gridWidth / len(r.graphs)
		for i, g := range r.graphs {
			p := g.panel()
			p.GridPos = GridPos{X: i * width, Y: y, W: width, H: panelHeight}
			add(p)
		}
		y += panelHeight
	}
	return panels
}
