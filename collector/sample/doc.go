// Package sample chooses the traces that are forwarded, when they are complete:
// tail sampling. Until a trace is decided the sampler holds where its spans are
// in the journal and a few facts about them, never the spans.
package sample
