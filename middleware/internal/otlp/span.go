package otlp

import (
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// AppendSpans encodes an ExportTraceServiceRequest. All spans are of that
// resource; the one that the SDK gives them has OTEL_RESOURCE_ATTRIBUTES of the
// process in it, even if Setup was told to look elsewhere.
func AppendSpans(dst []byte, res *resource.Resource, spans []sdktrace.ReadOnlySpan) []byte {
	if len(spans) == 0 {
		return dst
	}
	return inResource(dst, res, func(dst []byte) []byte {
		for _, scope := range scopesOf(spans) {
			dst = inScope(dst, scope, func(dst []byte) []byte {
				for _, span := range spans {
					if span.InstrumentationScope() == scope {
						dst = message(dst, 2, func(dst []byte) []byte { return appendSpan(dst, span) })
					}
				}
				return dst
			})
		}
		return dst
	})
}

// scopesOf lists the scopes in the order of their first span; they are few.
func scopesOf(spans []sdktrace.ReadOnlySpan) []instrumentation.Scope {
	var scopes []instrumentation.Scope
next:
	for _, span := range spans {
		for _, known := range scopes {
			if known == span.InstrumentationScope() {
				continue next
			}
		}
		scopes = append(scopes, span.InstrumentationScope())
	}
	return scopes
}

// appendSpan writes a Span:
//
//	bytes trace_id = 1;  bytes span_id = 2;  string trace_state = 3;  bytes parent_span_id = 4;
//	string name = 5;  SpanKind kind = 6;  fixed64 start_time_unix_nano = 7;  fixed64 end_time_unix_nano = 8;
//	repeated KeyValue attributes = 9;  uint32 dropped_attributes_count = 10;  repeated Event events = 11;
//	uint32 dropped_events_count = 12;  repeated Link links = 13;  uint32 dropped_links_count = 14;
//	Status status = 15;  fixed32 flags = 16;
func appendSpan(dst []byte, span sdktrace.ReadOnlySpan) []byte {
	dst = appendContext(dst, span.SpanContext())
	if parent := span.Parent().SpanID(); parent.IsValid() {
		dst = bytes(dst, 4, parent[:])
	}
	dst = text(dst, 5, valid(span.Name()))
	dst = varint(dst, 6, kind(span.SpanKind()))
	dst = fixed64(dst, 7, nanoseconds(span.StartTime()))
	dst = fixed64(dst, 8, nanoseconds(span.EndTime()))
	dst = attributes(dst, 9, span.Attributes())
	dst = varint(dst, 10, uint64(span.DroppedAttributes()))
	for _, event := range span.Events() {
		dst = message(dst, 11, func(dst []byte) []byte { return appendEvent(dst, event) })
	}
	dst = varint(dst, 12, uint64(span.DroppedEvents()))
	for _, link := range span.Links() {
		dst = message(dst, 13, func(dst []byte) []byte { return appendLink(dst, link) })
	}
	dst = varint(dst, 14, uint64(span.DroppedLinks()))
	dst = appendStatus(dst, span.Status())
	return fixed32(dst, 16, flags(span.SpanContext(), span.Parent()))
}

// appendContext writes the first three fields, which Span and Link share.
func appendContext(dst []byte, sc trace.SpanContext) []byte {
	traceID, spanID := sc.TraceID(), sc.SpanID()
	dst = bytes(bytes(dst, 1, traceID[:]), 2, spanID[:])
	return text(dst, 3, sc.TraceState().String())
}

// appendEvent writes an Event:
//
//	fixed64 time_unix_nano = 1;  string name = 2;  repeated KeyValue attributes = 3;
//	uint32 dropped_attributes_count = 4;
func appendEvent(dst []byte, event sdktrace.Event) []byte {
	dst = text(fixed64(dst, 1, nanoseconds(event.Time)), 2, valid(event.Name))
	dst = attributes(dst, 3, event.Attributes)
	return varint(dst, 4, uint64(event.DroppedAttributeCount))
}

// appendLink writes a Link:
//
//	bytes trace_id = 1;  bytes span_id = 2;  string trace_state = 3;  repeated KeyValue attributes = 4;
//	uint32 dropped_attributes_count = 5;  fixed32 flags = 6;
func appendLink(dst []byte, link sdktrace.Link) []byte {
	dst = appendContext(dst, link.SpanContext)
	dst = attributes(dst, 4, link.Attributes)
	dst = varint(dst, 5, uint64(link.DroppedAttributeCount))
	return fixed32(dst, 6, flags(link.SpanContext, link.SpanContext))
}

// appendStatus writes a Status:
//
//	string message = 2;  StatusCode code = 3;
func appendStatus(dst []byte, status sdktrace.Status) []byte {
	code := uint64(0)
	switch status.Code {
	case codes.Ok:
		code = 1
	case codes.Error:
		code = 2
	}
	if code == 0 {
		return dst
	}
	return message(dst, 15, func(dst []byte) []byte {
		return varint(text(dst, 2, valid(status.Description)), 3, code)
	})
}

// kind is OTLP's number, which is the API's: internal 1, server 2, client 3,
// producer 4, consumer 5.
func kind(k trace.SpanKind) uint64 { return uint64(max(k, 0)) }

// flags has the W3C flags of sc, and bits 8 and 9: that it is known whether
// parent came from another process, and that it did.
func flags(sc, parent trace.SpanContext) uint32 {
	f := uint32(sc.TraceFlags()) | 0x100
	if parent.IsRemote() {
		f |= 0x200
	}
	return f
}

func nanoseconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(max(t.UnixNano(), 0))
}
