package verify

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/tracegen"
)

// Result says what became of the traces. A trace is counted once: as missing
// when it has no span there, else as incomplete when it lacks one, else as
// duplicate when it has one twice, else as altered when one is not as it was
// sent, or is nobody's; else it is whole.
type Result struct {
	Asked, Whole, Missing, Incomplete, Duplicate, Altered uint64
	// Unsure traces were not asked for: their requests were not acknowledged
	// whole.
	Unsure uint64
	// MissingSpans, DuplicateSpans and AlteredSpans count spans of all those
	// traces.
	MissingSpans, DuplicateSpans, AlteredSpans uint64
	// Logs and Points are log records and points of metrics. Only a sink can be
	// asked for them, and all that it has ever counted is compared.
	Logs, Points Others
	// Examples are a few of what is wrong.
	Examples []string
	Elapsed  time.Duration
}

// Others are what is counted only: how many were acknowledged, and how many
// there are. Unknown says that nobody could be asked.
type Others struct {
	Sent, There uint64
	Unknown     bool
}

// Missing is how many are not there, as far as is known.
func (o Others) Missing() uint64 {
	if o.Unknown || o.There >= o.Sent {
		return 0
	}
	return o.Sent - o.There
}

// Good says that every trace that was asked for is whole, and nothing else is
// missing.
func (r Result) Good() bool {
	return r.Whole == r.Asked && r.Logs.Missing() == 0 && r.Points.Missing() == 0
}

// finding is what is wrong with one trace.
type finding struct {
	index                               uint64
	id                                  [16]byte
	want, missing, duplicate, different int
	example                             string
}

// maxExamples bounds the examples of each sort.
const maxExamples = 5

func (r *Result) add(f finding) {
	r.MissingSpans += uint64(f.missing)
	r.DuplicateSpans += uint64(f.duplicate)
	r.AlteredSpans += uint64(f.different)
	id := hex.EncodeToString(f.id[:])
	count := func(n *uint64, format string, args ...any) {
		if *n++; *n <= maxExamples {
			r.Examples = append(r.Examples, id+" "+fmt.Sprintf(format, args...))
		}
	}
	switch {
	case f.missing == f.want:
		count(&r.Missing, "is missing, with %d spans", f.want)
	case f.missing > 0:
		count(&r.Incomplete, "lacks %d of %d spans, as %s", f.missing, f.want, f.example)
	case f.duplicate > 0:
		count(&r.Duplicate, "has %d spans more than once, as %s", f.duplicate, f.example)
	case f.different > 0:
		count(&r.Altered, "has %d spans that are not as they were sent, as %s", f.different, f.example)
	default:
		r.Whole++
	}
}

// compare holds what is there to what was sent.
func compare(want tracegen.Expectation, got []span) finding {
	f := finding{index: want.Index, id: want.ID, want: len(want.Spans)}
	there := make(map[uint64][]span, len(got))
	for _, s := range got {
		there[s.id] = append(there[s.id], s)
	}
	missing, duplicate, different := "", "", ""
	note := func(n *int, example *string, id uint64, name string) {
		if *n++; *example == "" {
			*example = fmt.Sprintf("%016x %s", id, name)
		}
	}
	for _, w := range want.Spans {
		found := there[w.ID]
		delete(there, w.ID)
		switch {
		case len(found) == 0:
			note(&f.missing, &missing, w.ID, w.Name)
		case found[0] != (span{w.ID, w.Parent, w.Service, w.Name}):
			note(&f.different, &different, w.ID, w.Name)
		}
		if len(found) > 1 {
			note(&f.duplicate, &duplicate, w.ID, w.Name)
		}
	}
	for id, strangers := range there {
		note(&f.different, &different, id, strangers[0].name+", which nobody has sent")
	}
	for _, example := range []string{missing, duplicate, different} {
		if f.example == "" {
			f.example = example
		}
	}
	return f
}

// WriteTable writes the result for a person.
func (r Result) WriteTable(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%d traces asked for in %v: %d whole, %d missing, %d incomplete, %d duplicate, %d altered\n",
		r.Asked, r.Elapsed.Round(time.Millisecond), r.Whole, r.Missing, r.Incomplete, r.Duplicate, r.Altered)
	fmt.Fprintf(&text, "spans: %d missing, %d duplicate, %d altered\n", r.MissingSpans, r.DuplicateSpans, r.AlteredSpans)
	for _, o := range []struct {
		name string
		Others
	}{{"log records", r.Logs}, {"metric points", r.Points}} {
		switch {
		case o.Sent == 0:
		case o.Unknown:
			fmt.Fprintf(&text, "%s: %d acknowledged; nobody could be asked for them\n", o.name, o.Sent)
		default:
			fmt.Fprintf(&text, "%s: %d acknowledged, %d there, %d missing\n", o.name, o.Sent, o.There, o.Missing())
		}
	}
	if r.Unsure > 0 {
		fmt.Fprintf(&text, "%d traces were not acknowledged whole, and were not asked for\n", r.Unsure)
	}
	for _, example := range r.Examples {
		fmt.Fprintf(&text, "trace %s\n", example)
	}
	_, err := io.WriteString(w, text.String())
	return err
}
