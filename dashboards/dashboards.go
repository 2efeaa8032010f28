package dashboards

import (
	"encoding/json"
	"fmt"
)

// All are Waybill's dashboards. The file of each is named after its uid.
func All() []Dashboard { return []Dashboard{Services(), Shop()} }

// Filename is what the dashboard's JSON is called.
func (d Dashboard) Filename() string { return d.UID + ".json" }

// JSON is the dashboard as Grafana reads it, always the same bytes.
func (d Dashboard) JSON() ([]byte, error) {
	out, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode dashboard %s: %w", d.UID, err)
	}
	return append(out, '\n'), nil
}

// Expression is one PromQL expression and where it stands.
type Expression struct {
	Dashboard, Panel, Expr string
}

// Expressions lists those of all panels, with Grafana's variables in them.
func Expressions() []Expression {
	var all []Expression
	for _, d := range All() {
		for _, p := range d.Panels {
			for _, t := range p.Targets {
				all = append(all, Expression{Dashboard: d.Title, Panel: p.Title, Expr: t.Expr})
			}
		}
	}
	return all
}
