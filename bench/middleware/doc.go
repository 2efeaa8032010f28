// Package middleware compares httpmw and grpcmw with otelhttp and otelgrpc:
// what they record of the same requests, with the reason for each difference,
// and what that costs, in one run and under the same conditions: the same
// requests, spans that are recorded and then dropped, and metrics that somebody
// reads.
package middleware
