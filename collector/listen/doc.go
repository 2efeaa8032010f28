// Package listen opens the collector's TCP listeners and decides whom they let
// in: TLS, client certificates and bearer tokens, which are read again when
// their files change.
package listen
