// Package collector measures the collector as a whole process under a load of
// real traces: its CPU time, its memory, and that everything arrived.
package collector
