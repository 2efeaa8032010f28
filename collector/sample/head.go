package sample

// head has the thresholds of head sampling. It does not change, and is safe for
// concurrent use.
//
// A trace is sampled where its randomness reaches the threshold of where it
// begins: of its root's service and name. As long as the root has not come, and
// for a trace whose root never does, it is the lowest threshold of all spans
// that have: what is sampled with a higher threshold is sampled with a lower
// one, too.
type head struct {
	services map[string]*rate
	others   *rate
	lowest   uint64 // of all thresholds
	uniform  bool   // there is one threshold only
}

// rate has the thresholds of one service.
type rate struct {
	threshold  uint64 // of operations that have none of their own
	operations map[string]uint64
}

func newHead(cfg HeadConfig) *head {
	if !cfg.Enabled() {
		cfg.Percent, cfg.Rates = 100, nil
	}
	fallback := thresholdOf(cfg.Percent / 100)
	h := &head{services: map[string]*rate{}, others: &rate{threshold: fallback}, lowest: fallback, uniform: true}
	for _, r := range cfg.Rates {
		s := h.services[r.Service]
		if s == nil {
			s = &rate{threshold: fallback, operations: map[string]uint64{}}
			h.services[r.Service] = s
		}
		threshold := thresholdOf(r.Percent / 100)
		if r.Operation == "" {
			s.threshold = threshold
		} else {
			s.operations[r.Operation] = threshold
		}
		h.lowest = min(h.lowest, threshold)
		h.uniform = h.uniform && threshold == fallback
	}
	return h
}

// of is a service's rate.
func (h *head) of(service []byte) *rate {
	if r, ok := h.services[string(service)]; ok {
		return r
	}
	return h.others
}

// of is the threshold of a span's name.
func (r *rate) of(operation []byte) uint64 {
	if threshold, ok := r.operations[string(operation)]; ok {
		return threshold
	}
	return r.threshold
}
