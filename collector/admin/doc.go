// Package admin tells how the collector is: health and readiness for
// orchestrators, own metrics for Prometheus, a status page for people.
package admin
