// Package push sends derived metrics to backends that cannot scrape them, by
// Prometheus' remote write or as OTLP. Each push has the values of its moment,
// so one that fails for good is made up for by the next: what waits is never
// more than one push, and the series that have yet to be marked as stale.
package push
