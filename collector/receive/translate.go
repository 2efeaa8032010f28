package receive

import (
	"errors"
	"fmt"
)

// translator turns a request of another protocol into OTLP, as protobuf. It
// asks admit for memory, in bytes, before it uses it, and returns admit's error
// when that has none. It does not change the payload.
type translator func(payload []byte, admit func(bytes int64) error) ([]byte, error)

var errPanicked = errors.New("the request cannot be translated")

// translate returns a request of another protocol as OTLP. What it takes is
// charged to held. The decoders of those protocols are other people's, and
// some have panicked on bad input before: that is the request's end, and not
// the collector's.
func (in *intake) translate(held *lease, t translator, payload []byte) (otlp []byte, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			if !in.panicked.Swap(true) {
				in.logger.Error("BUG: a translator panicked; the request is refused, and further panics are not logged", "reason", fmt.Sprint(reason))
			}
			otlp, err = nil, malformed(errPanicked)
		}
	}()
	otlp, err = t(payload, held.take)
	if _, refused := errors.AsType[*refusal](err); refused {
		return nil, err
	}
	if err != nil {
		return nil, malformed(err)
	}
	if int64(len(otlp)) > in.limit {
		return nil, tooLarge("the request is larger than %d bytes as OTLP", in.limit)
	}
	return otlp, nil
}
