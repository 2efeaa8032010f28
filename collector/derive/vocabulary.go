package derive

import (
	"cmp"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// vocabulary has the names that Names stands for.
type vocabulary struct{ calls, duration, service string }

func (n Names) vocabulary() vocabulary {
	if n == NamesGrafana {
		return vocabulary{calls: "traces_spanmetrics_calls_total", duration: "traces_spanmetrics_latency", service: "service"}
	}
	return vocabulary{calls: "traces_span_metrics_calls_total", duration: "traces_span_metrics_duration_seconds", service: "service_name"}
}

// labelNames are those of every RED series.
func (v vocabulary) labelNames(dimensions []string) []string {
	names := []string{v.service, "span_name", "span_kind", "status_code"}
	for _, key := range dimensions {
		names = append(names, labelName(key))
	}
	return names
}

// labels are those of one series, sorted as the registry wants them.
func (v vocabulary) labels(k key, d *dimensions) []*dto.LabelPair {
	labels := []*dto.LabelPair{
		label(v.service, k.service), label("span_name", k.name),
		label("span_kind", kindLabel(k.kind)), label("status_code", codeLabel(k.code)),
	}
	for i, value := range d.unpack(k.dimensions) {
		labels = append(labels, label(labelName(d.keys[i]), value))
	}
	slices.SortFunc(labels, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return labels
}
