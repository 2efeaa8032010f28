// Package middleware measures httpmw and grpcmw beside otelhttp and otelgrpc,
// in one run and under the same conditions: the same requests, spans that are
// recorded and then dropped, and metrics that somebody reads.
package middleware
