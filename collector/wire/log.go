package wire

import "google.golang.org/protobuf/encoding/protowire"

// LogRecord is a view of one log record.
type LogRecord struct {
	// Raw is the encoded opentelemetry.proto.logs.v1.LogRecord.
	Raw []byte

	// Time and ObservedTime are nanoseconds since 1970; Time is 0 where the
	// source did not know it.
	Time, ObservedTime uint64
	// Severity is OTLP's number: 1 to 4 trace, 5 to 8 debug, 9 to 12 info, 13
	// to 16 warn, 17 to 20 error, 21 to 24 fatal; 0 unknown.
	Severity     int32
	SeverityText []byte
	Body         Value
	Attributes   Attributes
	// TraceID and SpanID are zero for a record outside of any trace.
	TraceID   TraceID
	SpanID    SpanID
	Flags     uint32
	EventName []byte

	DroppedAttributes uint32
}

// parse reads a LogRecord:
//
//	fixed64 time_unix_nano = 1;  SeverityNumber severity_number = 2;  string severity_text = 3;
//	AnyValue body = 5;  repeated KeyValue attributes = 6;  uint32 dropped_attributes_count = 7;
//	fixed32 flags = 8;  bytes trace_id = 9;  bytes span_id = 10;  fixed64 observed_time_unix_nano = 11;
//	string event_name = 12;
func (l *LogRecord) parse(raw []byte) bool {
	*l = LogRecord{Raw: raw}
	var attributes extent
	var body []byte
	s := scanner{buf: raw}
	for s.next() {
		switch s.typ {
		case protowire.BytesType:
			switch s.num {
			case 3:
				l.SeverityText = s.data
			case 5:
				body = merge(body, s.data)
			case 6:
				attributes.add(s.start, s.pos)
			case 9:
				l.TraceID = traceID(s.data)
			case 10:
				l.SpanID = spanID(s.data)
			case 12:
				l.EventName = s.data
			}
		case protowire.Fixed64Type:
			switch s.num {
			case 1:
				l.Time = s.value
			case 11:
				l.ObservedTime = s.value
			}
		case protowire.VarintType:
			switch s.num {
			case 2:
				l.Severity = int32(s.value)
			case 7:
				l.DroppedAttributes = uint32(s.value)
			}
		case protowire.Fixed32Type:
			if s.num == 8 {
				l.Flags = uint32(s.value)
			}
		}
	}
	l.Body = parseValue(body)
	l.Attributes = Attributes{raw: attributes.of(raw), num: 6}
	return !s.broken
}
