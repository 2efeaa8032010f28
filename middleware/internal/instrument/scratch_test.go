package instrument_test

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
)

// attributed are n attributes that are different each time.
func attributed(n, round int) []attribute.KeyValue {
	var attributes []attribute.KeyValue
	for i := range n {
		attributes = append(attributes, attribute.Int("key-"+strconv.Itoa(i), round))
	}
	return attributes
}

func fill(scratch *instrument.Scratch, attributes []attribute.KeyValue) {
	for _, attribute := range attributes {
		scratch.Add(attribute)
	}
}

func TestScratchTellsWhatIsInIt(t *testing.T) {
	kind := trace.WithSpanKind(trace.SpanKindClient)
	for round := range 3 {
		for n := range 20 { // more than there is room for
			scratch := instrument.Borrow()
			want := attributed(n, round)
			fill(scratch, want)
			config := trace.NewSpanStartConfig(scratch.SpanOptions(kind)...)
			scratch.Return()
			fill(instrument.Borrow(), attributed(20, -1))
			if got := config.Attributes(); len(got) != n || config.SpanKind() != trace.SpanKindClient || n > 0 && !cmp.Equal(got, want, cmp.AllowUnexported(attribute.Value{})) {
				t.Errorf("%d attributes, round %d: kind %v, %v", n, round, config.SpanKind(), got)
			}
		}
	}
}

func TestScratchAllocatesWhatIsCopiedOnly(t *testing.T) {
	kind, attributes := trace.WithSpanKind(trace.SpanKindClient), attributed(6, 1)
	if got := testing.AllocsPerRun(1000, func() {
		scratch := instrument.Borrow()
		fill(scratch, attributes)
		trace.NewSpanStartConfig(scratch.SpanOptions(kind)...)
		scratch.Return()
	}); got > 1 {
		t.Errorf("%v allocations, want the copy alone", got)
	}
}

func TestTextsAreMadeOnceUpToABound(t *testing.T) {
	made := 0
	texts := instrument.NewTexts(func(n int) string { made++; return strconv.Itoa(n) })
	for range 2 {
		for n := range 2000 {
			if got := texts.Of(n); got != strconv.Itoa(n) {
				t.Fatalf("text of %d is %q", n, got)
			}
		}
	}
	if made != 2000 {
		t.Errorf("2000 texts were made %d times", made)
	}
	for range 2 {
		if got := texts.Of(5000); got != "5000" {
			t.Errorf("text beyond the bound: %q", got)
		}
	}
	if made != 2002 {
		t.Errorf("beyond the bound texts are kept: %d were made", made)
	}
}
