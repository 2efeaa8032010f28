// Package dashboards holds Waybill's Grafana dashboards as Go: plain structs
// that marshal to the JSON which lies beside them and which Grafana is
// provisioned with. `go generate ./dashboards` writes that JSON again. Beside it are
// the alerts that Prometheus evaluates, and promtool's tests of them.
package dashboards

//go:generate go run ./generate
