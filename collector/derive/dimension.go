package derive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/waybill-dev/waybill/collector/wire"
)

// maxDimensions bounds the labels of a series, and what a span costs.
const maxDimensions = 16

// dimensions reads attributes that become labels. Its buffers are used again
// for each span.
type dimensions struct {
	*wire.Finder
	keys   []string
	packed []byte
	text   []byte
}

func newDimensions(keys []string) *dimensions {
	return &dimensions{Finder: wire.NewFinder(keys), keys: keys}
}

func validateDimensions(keys []string) error {
	var errs []error
	if len(keys) > maxDimensions {
		errs = append(errs, fmt.Errorf("dimensions: %d of them: want at most %d", len(keys), maxDimensions))
	}
	taken := []string{"service_name", "service", "span_name", "span_kind", "status_code", "le", "quantile"}
	for i, key := range keys {
		name := labelName(key)
		switch {
		case key == "":
			errs = append(errs, fmt.Errorf("dimensions[%d]: nothing", i))
		case slices.Contains(taken, name), strings.HasPrefix(name, "__"):
			errs = append(errs, fmt.Errorf("dimensions[%d]: %q: the label %s is there already, or is reserved", i, key, name))
		}
		taken = append(taken, name)
	}
	return errors.Join(errs...)
}

// labelName is an attribute's key as Prometheus writes it.
func labelName(key string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, key)
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		return "key_" + name
	}
	return name
}

// pack puts a span's values into one text, which is valid until the next call:
// empty where there are no dimensions. What the span has not its resource has.
func (d *dimensions) pack(o *origin, s *wire.Span) []byte {
	d.packed = d.packed[:0]
	if len(d.keys) == 0 {
		return d.packed
	}
	d.Find(s.Attributes)
	for i := range d.keys {
		value := d.Value(i)
		if d.text = cut(appendValue(d.text[:0], value)); value.Kind() == wire.Empty {
			d.text = append(d.text, o.dimensions[i]...)
		}
		d.packed = binary.AppendUvarint(d.packed, uint64(len(d.text)))
		d.packed = append(d.packed, d.text...)
	}
	return d.packed
}

// unpack gives back the values, in the order of the keys; all are empty where
// nothing was packed.
func (d *dimensions) unpack(packed string) []string {
	values := make([]string, len(d.keys))
	for i, rest := 0, []byte(packed); i < len(values) && len(rest) > 0; i++ {
		n, width := binary.Uvarint(rest)
		values[i], rest = string(rest[width:width+int(n)]), rest[width+int(n):]
	}
	return values
}

// appendValue writes a value as a label has it.
func appendValue(dst []byte, value wire.Value) []byte {
	switch value.Kind() {
	case wire.Empty:
		return dst
	case wire.String:
		if utf8.Valid(value.Str()) {
			return append(dst, value.Str()...)
		}
	case wire.Int:
		return strconv.AppendInt(dst, value.Int(), 10)
	case wire.Bool:
		return strconv.AppendBool(dst, value.Bool())
	}
	return append(dst, strings.ToValidUTF8(value.String(), invalid)...)
}
