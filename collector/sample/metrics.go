package sample

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
)

// meters count what sampling does.
type meters struct {
	decisions, traces, spans, policy, lates *prometheus.CounterVec
	evicted, handed, lost, malformed        prometheus.Counter
	unsampled                               prometheus.Counter
	waiting, bytes                          prometheus.Gauge

	// Of those, what counts often.
	policies                  []prometheus.Counter // by index
	tracesKept, tracesDropped prometheus.Counter
	spansKept, spansDropped   prometheus.Counter
	lateKept, lateDropped     prometheus.Counter
}

func newMeters(policies []Policy) *meters {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "waybill_sample_" + name, Help: help}, labels)
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "waybill_sample_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "waybill_sample_" + name, Help: help})
	}
	m := &meters{
		decisions: vec("decisions_total", "Traces that were decided, by why it was then.", "reason"),
		traces:    vec("traces_total", "Traces that were decided, by what was decided.", "decision"),
		spans:     vec("spans_total", "Spans that a decision was made about, those that came late included.", "decision"),
		policy:    vec("policy_traces_total", "Traces that are kept, by the first policy that wanted them.", "policy"),
		evicted:   counter("forgotten_decisions_total", "Decisions that made room for newer ones; spans that come later are decided anew."),
		handed:    counter("handed_spans_total", "Spans that were handed on to be forwarded."),
		lost:      counter("lost_records_total", "Records with spans of kept traces that could not be read again or are too large to be handed on."),
		malformed: counter("malformed_records_total", "Records of the journal that ended in the middle of a span."),
		unsampled: counter("unsampled_spans_total", "Spans of traces that head sampling left out."),
		waiting:   gauge("waiting_traces", "Traces that wait to be decided."),
		bytes:     gauge("waiting_bytes", "Memory that traces which wait take, in bytes."),
	}
	m.lates = vec("late_spans_total", "Spans that came when their trace was decided, by what was decided.", "decision")
	m.lateKept, m.lateDropped = m.lates.WithLabelValues("kept"), m.lates.WithLabelValues("dropped")
	m.tracesKept, m.tracesDropped = m.traces.WithLabelValues("kept"), m.traces.WithLabelValues("dropped")
	m.spansKept, m.spansDropped = m.spans.WithLabelValues("kept"), m.spans.WithLabelValues("dropped")
	for _, reason := range []string{reasonRoot, reasonWait, reasonSpans, reasonTraces, reasonMemory} {
		m.decisions.WithLabelValues(reason)
	}
	for _, p := range policies {
		m.policies = append(m.policies, m.policy.WithLabelValues(p.label()))
	}
	return m
}

// register also registers how much waits in the journal of what is kept.
func (m *meters) register(reg prometheus.Registerer, kept journal.Journal) error {
	var errs []error
	stored := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "waybill_sample_kept_bytes", Help: "What the journal of kept traces occupies, in bytes.",
	}, func() float64 { return float64(kept.Stats().Bytes) })
	for _, c := range []prometheus.Collector{
		m.decisions, m.traces, m.spans, m.policy, m.evicted, m.lates, m.unsampled, m.handed, m.lost, m.malformed, m.waiting, m.bytes, stored,
	} {
		errs = append(errs, reg.Register(c))
	}
	return errors.Join(errs...)
}

// decided counts a trace that was held, and the policy of that index, if not
// nobody, for keeping it.
func (m *meters) decided(reason string, keep bool, policy, spans int) {
	m.decisions.WithLabelValues(reason).Inc()
	if !keep {
		m.tracesDropped.Inc()
		m.spansDropped.Add(float64(spans))
		return
	}
	if policy != nobody {
		m.policies[policy].Inc()
	}
	m.tracesKept.Inc()
	m.spansKept.Add(float64(spans))
}

// sampled counts a span of a trace that was not held.
func (m *meters) sampled(kept bool) {
	if kept {
		m.spansKept.Inc()
		return
	}
	m.unsampled.Inc()
	m.spansDropped.Inc()
}

func (m *meters) late(kept bool) {
	if kept {
		m.lateKept.Inc()
		m.spansKept.Inc()
		return
	}
	m.lateDropped.Inc()
	m.spansDropped.Inc()
}
