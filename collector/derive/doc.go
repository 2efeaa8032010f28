// Package derive makes metrics out of the spans in the journal: how many
// requests each operation of each service had, how many failed, and how long
// they took, with exemplars that lead to traces.
package derive
