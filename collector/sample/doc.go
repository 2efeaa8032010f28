// Package sample chooses the traces that are forwarded: at the head, by their
// ids and where they begin, and at the tail, when they are complete. Until a
// trace is decided the sampler holds where its spans are in the journal and a
// few facts about them, never the spans.
package sample
