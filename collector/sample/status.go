package sample

import (
	"time"

	"github.com/waybill-dev/waybill/collector/wire"
)

// status wants traces with a span whose status is in the mask.
type status struct{ mask uint8 }

func newStatus(names []string) status {
	var s status
	for _, name := range names {
		s.mask |= statusBit(name)
	}
	return s
}

func (s status) judge(t *trace, _ time.Time) verdict { return verdict{keep: t.statuses&s.mask != 0} }

// statusBit is 0 for a name that no status has.
func statusBit(name string) uint8 {
	switch name {
	case "unset":
		return 1 << wire.StatusUnset
	case "ok":
		return 1 << wire.StatusOK
	case "error":
		return 1 << wire.StatusError
	}
	return 0
}
