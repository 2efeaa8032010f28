package derive

// Reconfigure makes cfg's limits count from now on: MaxSeries,
// MaxSeriesPerService, ExpireAfter, Exclude and the graph's MaxEdges. Everything
// else stays as it was at the start. What is there beyond a lower limit stays
// until it expires. cfg must be valid. It is safe for concurrent use.
func (d *Deriver) Reconfigure(cfg Config) { d.scan.reconfigure(cfg) }

func (s *scan) reconfigure(cfg Config) {
	s.red.mu.Lock()
	defer s.red.mu.Unlock()
	s.red.exclude = newRules(cfg.Exclude)
	s.red.table.limit, s.red.table.perService, s.red.table.expiry = cfg.MaxSeries, cfg.MaxSeriesPerService, cfg.ExpireAfter
	if s.graph != nil {
		s.graph.mu.Lock()
		defer s.graph.mu.Unlock()
		s.graph.edges.limit, s.graph.edges.expiry = cfg.Graph.MaxEdges, cfg.ExpireAfter
	}
}
