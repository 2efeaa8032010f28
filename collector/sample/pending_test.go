package sample

import (
	"slices"
	"testing"

	"github.com/waybill-dev/waybill/collector/journal"
)

// TestPlacesStayThoseThatTheyAre asks twice, as after a journal that could not
// be read.
func TestPlacesStayThoseThatTheyAre(t *testing.T) {
	p := newPending(nil)
	for _, at := range []journal.Offset{7, 5, 7, 5, 9} {
		p.read(at)
	}
	for range 2 {
		if got, want := p.places(), []journal.Offset{5, 7, 9}; !slices.Equal(got, want) {
			t.Errorf("records to read again are %v, want %v", got, want)
		}
	}
}
