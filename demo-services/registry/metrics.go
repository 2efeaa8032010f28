package registry

import "github.com/prometheus/client_golang/prometheus"

// collector is what a directory knows, as metrics.
type collector struct {
	*Directory
	size, age, connections *prometheus.Desc
}

// Collector are the directory's metrics: shop_registry_instances, and of each
// instance shop_instance_heartbeat_age_seconds, shop_instance_connections and
// shop_instance_calls_total. An instance that is out has none.
func (d *Directory) Collector() prometheus.Collector {
	// A label called instance would be taken for the caller's own by Prometheus.
	each := []string{"registered_service", "registered_instance"}
	return collector{
		d,
		prometheus.NewDesc("shop_registry_instances", "Instances that the registry knows, by service.", each[:1], nil),
		prometheus.NewDesc("shop_instance_heartbeat_age_seconds", "How long ago an instance has last said that it is well; it is out after 30 s.", each, nil),
		prometheus.NewDesc("shop_instance_connections", "Connections from here to an instance; none to one that is called and can't be reached.", each, nil),
	}
}

// Describe implements prometheus.Collector.
func (c collector) Describe(descs chan<- *prometheus.Desc) {
	descs <- c.size
	descs <- c.age
	descs <- c.connections
	c.traffic.calls.Describe(descs)
}

// Collect implements prometheus.Collector.
func (c collector) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for service, n := range c.Count() {
		gauge(c.size, float64(n), service)
	}
	open, now := c.traffic.connections(), c.now()
	for _, e := range c.all() {
		gauge(c.age, now.Sub(e.renewed).Seconds(), e.instance.Service, e.instance.ID)
		gauge(c.connections, float64(open[e.instance.Address]), e.instance.Service, e.instance.ID)
	}
	c.traffic.calls.Collect(metrics)
}
