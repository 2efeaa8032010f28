package sample

import (
	"slices"
	"time"

	"github.com/waybill-dev/waybill/collector/wire"
)

// attribute wants traces in which something had a trait.
type attribute struct{ mark uint64 }

func (a attribute) judge(t *trace, _ time.Time) verdict { return verdict{keep: t.marks&a.mark != 0} }

// trait is an attribute that a span or a resource may have.
type trait struct {
	key    string
	values []string
}

func (tr trait) fits(key []byte, value wire.Value) bool {
	if string(key) != tr.key {
		return false
	}
	if len(tr.values) == 0 {
		return true
	}
	if value.Kind() == wire.String {
		return slices.ContainsFunc(tr.values, func(v string) bool { return v == string(value.Str()) })
	}
	return slices.Contains(tr.values, value.String())
}

// marks are the traits that are among attributes, one bit each.
func (b *bench) marks(attributes wire.Attributes) uint64 {
	var marks uint64
	if len(b.traits) == 0 {
		return 0
	}
	for key, value := range attributes.All() {
		for i, tr := range b.traits {
			if tr.fits(key, value) {
				marks |= 1 << i
			}
		}
	}
	return marks
}
