package wire

// SpanVisitor is told what is in a request, in the order of its bytes.
type SpanVisitor interface {
	// Enter is told of the resource of the spans that follow.
	Enter(*Resource)
	// Visit is told of a span. Its first error ends the pass and is returned.
	Visit(*Span) error
}

// SpanPass is WalkSpans for whoever looks at every span that comes, and has no
// use for scopes: to find a scope is to go over all of its spans once more,
// since it may stand behind them. Who keeps a SpanPass makes no garbage. It is
// used by one goroutine.
type SpanPass struct {
	visitor  SpanVisitor
	resource Resource
	span     Span
}

// The tags on the way from a request to its spans.
const (
	resourceSpansTag = 1<<3 | bytesType
	scopeSpansTag    = 2<<3 | bytesType
	spanTag          = 2<<3 | bytesType
)

// Over shows the spans of an encoded ExportTraceServiceRequest to the visitor.
// Errors of its own: ErrMalformed.
func (p *SpanPass) Over(request []byte, visitor SpanVisitor) error {
	p.visitor = visitor
	err := p.fields(request, resourceSpansTag, (*SpanPass).group)
	*p = SpanPass{} // The memory is the caller's.
	return err
}

// fields calls inner for each field of that tag.
func (p *SpanPass) fields(message []byte, wanted uint64, inner func(*SpanPass, []byte) error) error {
	for len(message) > 0 {
		tag, _, data, size := first(message)
		if size == 0 {
			return malformed("request", "not a protobuf message")
		}
		if tag == wanted {
			if err := inner(p, data); err != nil {
				return err
			}
		}
		message = message[size:]
	}
	return nil
}

func (p *SpanPass) group(b []byte) error {
	p.resource.parse(b)
	p.visitor.Enter(&p.resource)
	return p.fields(b, scopeSpansTag, (*SpanPass).scope)
}

func (p *SpanPass) scope(b []byte) error { return p.fields(b, spanTag, (*SpanPass).item) }

func (p *SpanPass) item(b []byte) error {
	if !p.span.parse(b) {
		return malformed("Span", "not a protobuf message")
	}
	return p.visitor.Visit(&p.span)
}
