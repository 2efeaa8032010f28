package platform

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTimeout bounds how long a scrape waits for the database.
const scrapeTimeout = time.Second

// rowGauge is a number of rows.
type rowGauge struct {
	db    *DB
	desc  *prometheus.Desc
	query string
}

// RowGauge is a metric that asks the database when it is collected: the query's
// one column of its one row, an integer.
func (db *DB) RowGauge(name, help, query string) prometheus.Collector {
	return rowGauge{db, prometheus.NewDesc(name, help, nil, nil), query}
}

// Describe implements prometheus.Collector.
func (g rowGauge) Describe(out chan<- *prometheus.Desc) { out <- g.desc }

// Collect implements prometheus.Collector. While the database does not answer
// there is no figure, which is what there is to know.
func (g rowGauge) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	var n int64
	if err := g.db.QueryRow(ctx, []any{&n}, g.query); err != nil {
		return
	}
	out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(n))
}
