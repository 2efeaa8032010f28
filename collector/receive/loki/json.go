package loki

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/waybill-dev/waybill/collector/receive/weigh"
)

// streamJSON is a stream in either of the forms that clients send: values since
// Loki 1.0, labels and entries before.
//
//	{"stream": {"job": "shop"}, "values": [["1790000000000000000", "a line", {"order": "7"}]]}
//	{"labels": "{job=\"shop\"}", "entries": [{"ts": "2026-11-24T21:00:00Z", "line": "a line"}]}
type streamJSON struct {
	Stream map[string]string `json:"stream"`
	Values []valueJSON       `json:"values"`

	Labels  string      `json:"labels"`
	Entries []entryJSON `json:"entries"`
}

type entryJSON struct {
	At       time.Time         `json:"ts"`
	Line     string            `json:"line"`
	Metadata map[string]string `json:"structuredMetadata"`
}

// valueJSON is an entry as a list.
type valueJSON entry

// UnmarshalJSON implements json.Unmarshaler.
func (v *valueJSON) UnmarshalJSON(text []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return err
	}
	if len(parts) != 2 && len(parts) != 3 {
		return errors.New("a value is a list of time, line and, it may be, metadata")
	}
	var at string
	if err := json.Unmarshal(parts[0], &at); err != nil {
		return err
	}
	ns, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return fmt.Errorf("the time %.40q is no number of nanoseconds", at)
	}
	v.at = time.Unix(0, ns)
	if err := json.Unmarshal(parts[1], &v.line); err != nil {
		return err
	}
	if len(parts) == 3 {
		var metadata map[string]string
		if err := json.Unmarshal(parts[2], &metadata); err != nil {
			return err
		}
		v.metadata = sorted(metadata)
	}
	return nil
}

// FromJSON translates a push request in JSON, like FromSnappy.
func FromJSON(payload []byte, tenant string, admit func(bytes int64) error) ([]byte, error) {
	if err := admit(weigh.JSON(payload)); err != nil {
		return nil, err
	}
	var request struct {
		Streams []streamJSON `json:"streams"`
	}
	if err := json.Unmarshal(payload, &request); err != nil {
		return nil, err
	}
	streams := make([]stream, 0, len(request.Streams))
	for _, s := range request.Streams {
		labels := sorted(s.Stream)
		if s.Stream == nil {
			var err error
			if labels, err = parseLabels(s.Labels); err != nil {
				return nil, err
			}
		}
		streams = append(streams, stream{labels: labels, entries: s.all()})
	}
	return encode(streams, tenant)
}

func (s streamJSON) all() []entry {
	all := make([]entry, 0, len(s.Values)+len(s.Entries))
	for _, v := range s.Values {
		all = append(all, entry(v))
	}
	for _, e := range s.Entries {
		all = append(all, entry{at: e.At, line: e.Line, metadata: sorted(e.Metadata)})
	}
	return all
}

// sorted makes the order of attributes not depend on chance.
func sorted(pairs map[string]string) []label {
	labels := make([]label, 0, len(pairs))
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		labels = append(labels, label{name, pairs[name]})
	}
	return labels
}
