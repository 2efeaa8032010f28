package wire

// Decision is what becomes of a part of a request.
type Decision uint8

const (
	// Look leaves it as it is, and goes on to what is inside.
	Look Decision = iota
	// Leave leaves it as it is, with all that is inside.
	Leave
	// Replace puts the text that was appended in its place.
	Replace
	// Remove takes it away.
	Remove
)

// Editor decides what becomes of the attributes and texts of a request. Both
// methods append a replacement to dst and return that; what they are given is
// valid until they return, and must not be changed.
type Editor interface {
	// Entry is asked for each attribute, and for each entry of a map inside a
	// value. Replace makes the text that was appended its value; it does
	// nothing to an entry that has none.
	Entry(dst, key []byte, value Value) ([]byte, Decision)
	// Text is asked for each text and each bytes value inside attributes and
	// bodies, and for the names of spans and events and the messages of
	// statuses. keys are those of the entries around it, the outermost first.
	// Remove takes away the entry or the element of a list whose value the
	// text is; a body, a name and a message become empty. Leave means Look.
	Text(dst []byte, keys [][]byte, text []byte) ([]byte, Decision)
}

// Edits are what an Editor changes in one request. The zero value is ready, and
// may be used for one request after the other, which saves its memory. It is
// used by one goroutine at a time.
//
// Everything that an Editor is not asked about stays as it was sent, unknown
// fields included. There is one exception: of a value, a key or a body that is
// sent twice, decoders take the last or merge them; they are put in the form
// that a decoder would write, so that nothing stays behind in what does not
// count.
type Edits struct {
	src     []byte
	editor  Editor
	keys    [][]byte
	patches []patch // in the order of src, apart from each other
	added   []byte  // what patches put in
	delta   int     // by how much the request grows
	inner   *Edits  // for what has to be built anew; made when needed
}

// patch replaces src[start:end] by added[from:to].
type patch struct{ start, end, from, to int }

// Spans goes through an encoded ExportTraceServiceRequest, which must not
// change until the last use of the edits. Errors: ErrMalformed.
func (e *Edits) Spans(request []byte, editor Editor) error {
	return e.request(request, schema.traces, editor)
}

// Points does so with an ExportMetricsServiceRequest.
func (e *Edits) Points(request []byte, editor Editor) error {
	return e.request(request, schema.metrics, editor)
}

// Logs does so with an ExportLogsServiceRequest.
func (e *Edits) Logs(request []byte, editor Editor) error {
	return e.request(request, schema.logs, editor)
}

func (e *Edits) request(request []byte, m *message, editor Editor) error {
	e.reset(request, editor)
	delta, _, err := e.message(0, len(request), m, 1)
	e.delta = delta
	return err
}

func (e *Edits) reset(src []byte, editor Editor) {
	e.src, e.editor, e.delta = src, editor, 0
	e.keys, e.patches, e.added = e.keys[:0], e.patches[:0], e.added[:0]
}

// Forget lets go of the request.
func (e *Edits) Forget() {
	e.reset(nil, nil)
	clear(e.keys[:cap(e.keys)])
	if e.inner != nil {
		e.inner.Forget()
	}
}

// None says that nothing changes.
func (e *Edits) None() bool { return len(e.patches) == 0 }

// Size is the length of the changed request, in bytes.
func (e *Edits) Size() int { return len(e.src) + e.delta }

// AppendTo appends the changed request to dst.
func (e *Edits) AppendTo(dst []byte) []byte {
	at := 0
	for _, p := range e.patches {
		dst = append(dst, e.src[at:p.start]...)
		dst = append(dst, e.added[p.from:p.to]...)
		at = p.end
	}
	return append(dst, e.src[at:]...)
}
