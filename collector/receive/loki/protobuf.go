package loki

import (
	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"

	"github.com/waybill-dev/waybill/collector/receive/weigh"
)

// pushRequest has what takes memory in a PushRequest, after push.proto:
//
//	message PushRequest   { repeated StreamAdapter streams = 1; }
//	message StreamAdapter { string labels = 1; repeated EntryAdapter entries = 2; }
//	message EntryAdapter  { Timestamp timestamp = 1; string line = 2;
//	                        repeated LabelPairAdapter structuredMetadata = 3; repeated LabelPairAdapter parsed = 4; }
func pushRequest() weigh.Schema {
	entry := weigh.Schema{1: nil, 3: nil, 4: nil}
	return weigh.Schema{1: weigh.Schema{2: entry}}
}

// maxExpansion is more than snappy can do: 64 bytes out of 2. A block that says
// it has more lies.
const maxExpansion = 64

// FromSnappy translates a PushRequest in snappy's block format. tenant may be
// empty. admit is asked for memory, in bytes, before it is used, and its error
// is returned as it is. The payload is not changed.
func FromSnappy(payload []byte, tenant string, admit func(bytes int64) error) ([]byte, error) {
	size, err := snappy.DecodedLen(payload)
	if err != nil {
		return nil, err
	}
	if size > maxExpansion*len(payload) {
		return nil, snappy.ErrCorrupt
	}
	if err := admit(int64(size)); err != nil {
		return nil, err
	}
	plain, err := snappy.Decode(make([]byte, size), payload)
	if err != nil {
		return nil, err
	}
	cost, err := weigh.Protobuf(plain, pushRequest())
	if err != nil {
		return nil, err
	}
	if err := admit(cost); err != nil {
		return nil, err
	}
	var request push.PushRequest
	if err := request.Unmarshal(plain); err != nil {
		return nil, err
	}
	streams := make([]stream, 0, len(request.Streams))
	for _, s := range request.Streams {
		labels, err := parseLabels(s.Labels)
		if err != nil {
			return nil, err
		}
		streams = append(streams, stream{labels: labels, entries: entries(s.Entries)})
	}
	return encode(streams, tenant)
}

func entries(pushed []push.Entry) []entry {
	all := make([]entry, len(pushed))
	for i, e := range pushed {
		all[i] = entry{at: e.Timestamp, line: e.Line}
		for _, m := range e.StructuredMetadata {
			all[i].metadata = append(all[i].metadata, label{m.Name, m.Value})
		}
	}
	return all
}
