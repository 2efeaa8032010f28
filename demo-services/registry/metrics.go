package registry

import "github.com/prometheus/client_golang/prometheus"

// size is how many instances a directory knows, by service.
type size struct {
	directory *Directory
	desc      *prometheus.Desc
}

// Collector is the directory's metric: shop_registry_instances.
func (d *Directory) Collector() prometheus.Collector {
	return size{d, prometheus.NewDesc("shop_registry_instances", "Instances that the registry knows, by service.", []string{"registered_service"}, nil)}
}

// Describe implements prometheus.Collector.
func (s size) Describe(descs chan<- *prometheus.Desc) { descs <- s.desc }

// Collect implements prometheus.Collector.
func (s size) Collect(metrics chan<- prometheus.Metric) {
	for service, n := range s.directory.Count() {
		metrics <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, float64(n), service)
	}
}
