package wire

// Resource is a view of who sent the telemetry.
type Resource struct {
	// Raw is the encoded opentelemetry.proto.resource.v1.Resource; empty when
	// the sender gave none.
	Raw []byte
	// Attributes are the resource's.
	Attributes Attributes
	// SchemaURL is that of the enclosing Resource{Spans,Logs,Metrics}.
	SchemaURL []byte
}

// ServiceName is the attribute service.name, not copied; nil where there is
// none, or where it is no text.
func (r *Resource) ServiceName() []byte {
	v, _ := r.Attributes.Get("service.name")
	if v.Kind() != String {
		return nil
	}
	return v.Str()
}

// parse reads the fields that ResourceSpans, ResourceLogs and ResourceMetrics
// share. The resource may stand behind the items, so this is a pass of its own.
//
//	Resource resource = 1;  repeated Scope… = 2;  string schema_url = 3;
func (r *Resource) parse(group []byte) {
	*r = Resource{}
	for s := (scanner{buf: group}); s.next(); {
		switch {
		case s.is(1):
			r.Raw = merge(r.Raw, s.data)
		case s.is(3):
			r.SchemaURL = s.data
		}
	}
	r.Attributes = Attributes{raw: r.Raw, num: 1}
}

// Scope is a view of the instrumentation that made the telemetry.
type Scope struct {
	Name, Version []byte
	Attributes    Attributes
	// SchemaURL is that of the enclosing Scope{Spans,Logs,Metrics}.
	SchemaURL []byte
}

// parse reads what ScopeSpans, ScopeLogs and ScopeMetrics share:
//
//	InstrumentationScope scope = 1;  repeated … = 2;  string schema_url = 3;
func (sc *Scope) parse(scoped []byte) {
	*sc = Scope{}
	var raw []byte
	for s := (scanner{buf: scoped}); s.next(); {
		switch {
		case s.is(1):
			raw = merge(raw, s.data)
		case s.is(3):
			sc.SchemaURL = s.data
		}
	}
	// string name = 1;  string version = 2;  repeated KeyValue attributes = 3;
	for s := (scanner{buf: raw}); s.next(); {
		switch {
		case s.is(1):
			sc.Name = s.data
		case s.is(2):
			sc.Version = s.data
		}
	}
	sc.Attributes = Attributes{raw: raw, num: 3}
}
