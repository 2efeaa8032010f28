package sink

import "google.golang.org/protobuf/encoding/protowire"

// countLogs counts the records of an ExportLogsServiceRequest:
//
//	repeated ResourceLogs resource_logs = 1 { repeated ScopeLogs scope_logs = 2 { repeated LogRecord log_records = 2 } }
func countLogs(request []byte) (n uint64, err error) {
	err = each(request, 1, func(resource []byte) error {
		return each(resource, 2, func(scope []byte) error {
			return each(scope, 2, func(record []byte) error {
				n++
				return fields(record, func(protowire.Number, []byte) error { return nil })
			})
		})
	})
	return n, err
}

// countPoints counts the points of an ExportMetricsServiceRequest. Whatever a
// metric is, its data have them as field 1:
//
//	repeated ResourceMetrics resource_metrics = 1 { repeated ScopeMetrics scope_metrics = 2 { repeated Metric metrics = 2
//	  { oneof data { Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9; ExponentialHistogram = 10; Summary summary = 11; } } } }
func countPoints(request []byte) (n uint64, err error) {
	err = each(request, 1, func(resource []byte) error {
		return each(resource, 2, func(scope []byte) error {
			return each(scope, 2, func(metric []byte) error {
				return fields(metric, func(field protowire.Number, data []byte) error {
					switch field {
					case 5, 7, 9, 10, 11:
						return each(data, 1, func([]byte) error { n++; return nil })
					}
					return nil
				})
			})
		})
	})
	return n, err
}

// takeLogs counts log records.
func (s *store) takeLogs(request []byte) error {
	n, err := countLogs(request)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Logs += n
	return nil
}

// takeMetrics counts points of metrics.
func (s *store) takeMetrics(request []byte) error {
	n, err := countPoints(request)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Points += n
	return nil
}
