// Package redact keeps secrets out of the journal: rules by attribute key and
// by pattern drop, mask or hash what must not be kept, before anything is.
//
// It works on encoded requests, in one pass, and copies only those that change.
// When it is off, a request costs one atomic load.
package redact
