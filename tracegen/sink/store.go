package sink

import (
	"encoding/binary"
	"errors"
	"math"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// Counts is what a sink was sent.
type Counts struct {
	Requests uint64 `json:"requests"`
	Bytes    uint64 `json:"bytes"`
	// Spans are all that came; Dropped and Duplicates are among them.
	Spans      uint64 `json:"spans"`
	Dropped    uint64 `json:"dropped"`
	Duplicates uint64 `json:"duplicates"`
	// Traces are those of which a span was kept; a sink that forgets has none.
	Traces uint64 `json:"traces"`
	// Logs are log records, and Points are points of metrics. Both are counted
	// only; Requests and Bytes are of traces.
	Logs   uint64 `json:"logs"`
	Points uint64 `json:"metric_points"`
}

// store keeps spans by their trace. It is safe for concurrent use.
type store struct {
	forget bool
	drop   uint64 // spans whose hash is below it

	mu     sync.Mutex
	counts Counts
	traces map[[16]byte][]span
	names  map[string]string // each text once
}

// span is what is kept of a span. Ids are as they read in hexadecimal.
type span struct {
	trace         [16]byte
	id, parent    uint64
	service, name string
}

// parsed is a span that still shares the request's memory.
type parsed struct {
	span
	service, name []byte
}

func newStore(cfg Config) *store {
	drop := uint64(math.MaxUint64)
	if cfg.Drop < 1 {
		drop = uint64(cfg.Drop * math.MaxUint64)
	}
	return &store{forget: cfg.Forget, drop: drop, traces: map[[16]byte][]span{}, names: map[string]string{}}
}

var errMalformed = errors.New("this is no export request of the signal")

// take takes a request in. A malformed one is not kept, not even in part.
func (s *store) take(request []byte) error {
	var spans []parsed
	n, dropped := uint64(0), uint64(0)
	err := each(request, 1, func(resource []byte) error {
		service, err := serviceName(resource)
		if err != nil {
			return err
		}
		return each(resource, 2, func(scope []byte) error {
			return each(scope, 2, func(encoded []byte) error {
				n++
				p, err := parseSpan(encoded)
				if err != nil {
					return err
				}
				if mix(p.id) < s.drop {
					dropped++
				} else if !s.forget {
					p.service = service
					spans = append(spans, p)
				}
				return nil
			})
		})
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Requests++
	s.counts.Bytes += uint64(len(request))
	s.counts.Spans += n
	s.counts.Dropped += dropped
	for _, p := range spans {
		s.keep(p)
	}
	return nil
}

// keep keeps a span, with texts of its own: the request's memory goes.
func (s *store) keep(p parsed) {
	kept := p.span
	of := s.traces[kept.trace]
	for _, other := range of {
		if other.id == kept.id {
			s.counts.Duplicates++
			break
		}
	}
	kept.service, kept.name = s.own(p.service), s.own(p.name)
	s.traces[kept.trace] = append(of, kept)
}

func (s *store) own(text []byte) string {
	own, ok := s.names[string(text)]
	if !ok {
		own = string(text)
		s.names[own] = own
	}
	return own
}

func (s *store) counted() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts
	c.Traces = uint64(len(s.traces))
	return c
}

// trace returns the spans of a trace.
func (s *store) trace(id [16]byte) []span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]span(nil), s.traces[id]...)
}

// parseSpan reads what is kept of a span:
//
//	bytes trace_id = 1;  bytes span_id = 2;  bytes parent_span_id = 4;  string name = 5;
func parseSpan(encoded []byte) (parsed, error) {
	var s parsed
	err := fields(encoded, func(field protowire.Number, value []byte) error {
		switch {
		case field == 1 && len(value) == 16:
			s.trace = [16]byte(value)
		case field == 2 && len(value) == 8:
			s.id = binary.BigEndian.Uint64(value)
		case field == 4 && len(value) == 8:
			s.parent = binary.BigEndian.Uint64(value)
		case field == 5:
			s.name = value
		}
		return nil
	})
	if err == nil && (s.id == 0 || s.trace == [16]byte{}) {
		err = errMalformed
	}
	return s, err
}

// serviceName finds the attribute service.name of a ResourceSpans:
//
//	Resource resource = 1 { repeated KeyValue attributes = 1 }
func serviceName(resourceSpans []byte) (name []byte, err error) {
	err = each(resourceSpans, 1, func(resource []byte) error {
		return each(resource, 1, func(pair []byte) error {
			var key string
			var text []byte
			err := fields(pair, func(field protowire.Number, value []byte) error {
				if field == 1 {
					key = string(value)
					return nil
				}
				return each(value, 1, func(value []byte) error { text = value; return nil })
			})
			if key == "service.name" {
				name = text
			}
			return err
		})
	})
	return name, err
}

// each visits a message's fields of one number, which are length-delimited.
func each(message []byte, number protowire.Number, visit func(value []byte) error) error {
	return fields(message, func(field protowire.Number, value []byte) error {
		if field != number {
			return nil
		}
		return visit(value)
	})
}

// fields visits a message's length-delimited fields.
func fields(message []byte, visit func(field protowire.Number, value []byte) error) error {
	for len(message) > 0 {
		field, typ, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errMalformed
		}
		message = message[n:]
		if typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(field, typ, message); n < 0 {
				return errMalformed
			}
			message = message[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(message)
		if n < 0 {
			return errMalformed
		}
		message = message[n:]
		if err := visit(field, value); err != nil {
			return err
		}
	}
	return nil
}

// mix makes of a number another that looks random (splitmix64's finalizer).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
