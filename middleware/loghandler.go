package middleware

import (
	"context"
	"io"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/batch"
	"github.com/waybill-dev/waybill/middleware/internal/otlp"
)

// logHandler writes records as JSON, with the trace_id and span_id of their
// context beside the message, whatever group is open, and queues them to be
// sent. It is safe for concurrent use.
type logHandler struct {
	// json has every group and attribute; outer those before the first group,
	// where the ids belong, and inner adds the rest.
	json, outer slog.Handler
	inner       []func(slog.Handler) slog.Handler

	// queue takes encoded records; nil sends nothing.
	queue *batch.Queue[[]byte]
	scope attrScope
}

// attrScope is the attributes and open groups of a logger, for the encoder.
type attrScope struct {
	levels []attrLevel
}

type attrLevel struct {
	group string
	attrs []slog.Attr
}

func newLogHandler(w io.Writer, level slog.Leveler, queue *batch.Queue[[]byte]) logHandler {
	json := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	return logHandler{json: json, outer: json, queue: queue, scope: attrScope{levels: make([]attrLevel, 1)}}
}

// Enabled reports whether the level is high enough.
func (h logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.json.Enabled(ctx, level)
}

// Handle writes the record and queues it.
func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	sc := trace.SpanContextFromContext(ctx)
	if h.queue != nil {
		attrs := h.scope.nest(record)
		h.queue.Add(otlp.AppendLogRecord(nil, record, attrs, sc))
	}
	if !sc.IsValid() {
		return h.json.Handle(ctx, record)
	}
	ids := []slog.Attr{slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String())}
	out := h.outer.WithAttrs(ids)
	for _, add := range h.inner {
		out = add(out)
	}
	return out.Handle(ctx, record)
}

// WithAttrs is as in slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	h.scope = h.scope.with(attrs)
	return h.with(func(next slog.Handler) slog.Handler { return next.WithAttrs(attrs) }, len(h.scope.levels) == 1)
}

// WithGroup is as in slog.Handler.
func (h logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	h.scope = attrScope{levels: append(slices.Clip(h.scope.levels), attrLevel{group: name})}
	return h.with(func(next slog.Handler) slog.Handler { return next.WithGroup(name) }, false)
}

func (h logHandler) with(add func(slog.Handler) slog.Handler, outside bool) slog.Handler {
	h.json = add(h.json)
	if outside {
		h.outer = add(h.outer)
	} else {
		h.inner = append(slices.Clip(h.inner), add)
	}
	return h
}

// with adds to the attributes of the innermost group.
func (s attrScope) with(attrs []slog.Attr) attrScope {
	levels := slices.Clone(s.levels)
	last := &levels[len(levels)-1]
	last.attrs = append(slices.Clip(last.attrs), attrs...)
	return attrScope{levels: levels}
}

// nest puts the record's attributes into the open groups.
func (s attrScope) nest(record slog.Record) []slog.Attr {
	innermost := s.levels[len(s.levels)-1].attrs
	attrs := make([]slog.Attr, len(innermost), len(innermost)+record.NumAttrs())
	copy(attrs, innermost)
	record.Attrs(func(attr slog.Attr) bool {
		attrs = append(attrs, attr)
		return true
	})
	for i := len(s.levels) - 1; i > 0; i-- {
		group := slog.Attr{Key: s.levels[i].group, Value: slog.GroupValue(attrs...)}
		attrs = append(slices.Clip(s.levels[i-1].attrs), group)
	}
	return attrs
}
