package wire

// WalkSpans calls visit for each span of an encoded ExportTraceServiceRequest,
// in the order of the bytes. The first error of visit ends the walk and is
// returned. Errors of its own: ErrMalformed.
func WalkSpans(request []byte, visit func(*Resource, *Scope, *Span) error) error {
	var span Span
	w := walker{request: scanner{buf: request}}
	for w.next() {
		if !span.parse(w.item.data) {
			return malformed("Span", "not a protobuf message")
		}
		if err := visit(&w.resource, &w.scope, &span); err != nil {
			return err
		}
	}
	return w.err()
}

// WalkLogs calls visit for each log record of an encoded
// ExportLogsServiceRequest, as WalkSpans does for spans.
func WalkLogs(request []byte, visit func(*Resource, *Scope, *LogRecord) error) error {
	var record LogRecord
	w := walker{request: scanner{buf: request}}
	for w.next() {
		if !record.parse(w.item.data) {
			return malformed("LogRecord", "not a protobuf message")
		}
		if err := visit(&w.resource, &w.scope, &record); err != nil {
			return err
		}
	}
	return w.err()
}

// walker goes from item to item through the three levels that every signal's
// request has: resources, scopes, items.
type walker struct {
	request, group, item scanner
	resource             Resource
	scope                Scope
}

// next moves item to the next field that holds one.
func (w *walker) next() bool {
	for {
		for w.item.next() {
			if w.item.is(2) {
				return true
			}
		}
		if w.item.broken || !w.nextScope() {
			return false
		}
	}
}

func (w *walker) nextScope() bool {
	for {
		for w.group.next() {
			if w.group.is(2) {
				w.scope.parse(w.group.data)
				w.item = scanner{buf: w.group.data}
				return true
			}
		}
		if w.group.broken || !w.nextResource() {
			return false
		}
	}
}

func (w *walker) nextResource() bool {
	for w.request.next() {
		if w.request.is(1) {
			w.resource.parse(w.request.data)
			w.group = scanner{buf: w.request.data}
			return true
		}
	}
	return false
}

func (w *walker) err() error {
	if w.request.broken || w.group.broken || w.item.broken {
		return malformed("request", "not a protobuf message")
	}
	return nil
}
