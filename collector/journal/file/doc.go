// Package file is the journal on disk: an append-only log cut into segment
// files, with one small cursor file for each named reader. The format is
// described byte by byte in docs/journal-format.md.
package file
