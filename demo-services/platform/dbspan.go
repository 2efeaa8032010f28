package platform

import (
	"context"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// querySpans makes a client span of every statement that runs inside a trace,
// after the database conventions.
type querySpans struct {
	tracer trace.Tracer
	engine *engine
	// about is what all spans say: which database it is.
	about []attribute.KeyValue
	// before runs within the span, before the statement; nil does nothing.
	before func(context.Context)
}

func newQuerySpans(tp trace.TracerProvider, e *engine, namespace string, also ...attribute.KeyValue) *querySpans {
	return &querySpans{
		tracer: tp.Tracer("github.com/waybill-dev/waybill/demo-services/platform"),
		engine: e,
		about: append([]attribute.KeyValue{
			attribute.String("db.system.name", e.system), attribute.String("db.namespace", namespace),
		}, also...),
	}
}

// start returns the context for the statement, and what ends the span with the
// number of rows that were returned (negative: not a query) and the error.
func (s *querySpans) start(ctx context.Context, query string) (context.Context, func(int, error)) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, func(int, error) {}
	}
	operation, table := operationOf(query)
	summary := strings.TrimSpace(operation + " " + table)
	ctx, span := s.tracer.Start(ctx, summary,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(s.about...),
		trace.WithAttributes(
			attribute.String("db.operation.name", operation),
			attribute.String("db.collection.name", table),
			attribute.String("db.query.summary", summary),
			attribute.String("db.query.text", strings.Join(strings.Fields(query), " ")),
		))
	if s.before != nil {
		s.before(ctx)
	}
	return ctx, func(rows int, err error) {
		if rows >= 0 {
			span.SetAttributes(attribute.Int("db.response.returned_rows", rows))
		}
		if err != nil {
			s.recordError(span, err)
		}
		span.End()
	}
}

func (s *querySpans) recordError(span trace.Span, err error) {
	if code := s.engine.code(err); code != "" {
		span.SetAttributes(attribute.String("db.response.status_code", code), attribute.String("error.type", code))
	} else {
		span.SetAttributes(attribute.String("error.type", fmt.Sprintf("%T", err)))
	}
	span.SetStatus(codes.Error, err.Error())
}

// summarize is a statement's low-cardinality name: "INSERT orders".
func summarize(query string) string {
	operation, table := operationOf(query)
	return strings.TrimSpace(operation + " " + table)
}

// operationOf finds the verb and the first table of one of the shop's own
// statements. It knows the SQL that stands in this repository, no more.
func operationOf(query string) (operation, table string) {
	words := strings.Fields(query)
	if len(words) == 0 {
		return "", ""
	}
	operation = strings.ToUpper(words[0])
	for i, word := range words[:len(words)-1] {
		switch strings.ToUpper(word) {
		case "FROM", "INTO", "UPDATE":
			name, _, _ := strings.Cut(words[i+1], "(")
			return operation, strings.Trim(name, ",;)")
		}
	}
	return operation, ""
}
