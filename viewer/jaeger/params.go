package jaeger

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/query"
)

// Jaeger's own defaults, and the most traces that one answer has here.
const (
	defaultLimit        = 100
	maxLimit            = 1500
	defaultLookback     = 48 * time.Hour
	defaultDependencies = 24 * time.Hour
)

var (
	errService = errors.New("parameter 'service' is required")
	errLimit   = errors.New("parameter 'limit' must be positive")
)

// parseSearch reads the parameters of /api/traces: times in microseconds of
// Unix time, durations as "1.2s", tags as JSON or as tag=key:value. With
// traceID, which may occur several times, ids are asked for and all else is
// not looked at.
func parseSearch(r *http.Request) (q query.Query, ids []index.TraceID, err error) {
	p := params{values: r.URL.Query()}
	now := time.Now()
	q.Service, q.Operation = p.values.Get("service"), p.values.Get("operation")
	q.To = p.time("end", time.Microsecond, now)
	q.From = p.time("start", time.Microsecond, q.To.Add(-p.duration("lookback", defaultLookback)))
	q.MinDuration, q.MaxDuration = p.duration("minDuration", 0), p.duration("maxDuration", 0)
	q.Limit = min(p.number("limit", defaultLimit), maxLimit)
	q.Tags = p.tags()
	for _, text := range p.values["traceID"] {
		id, err := index.ParseTraceID(text)
		p.note("traceID", err)
		ids = append(ids, id)
	}
	switch {
	case p.err != nil:
		return q, nil, p.err
	case q.Limit == 0:
		return q, nil, errLimit
	case len(ids) == 0 && q.Service == "":
		return q, nil, errService
	case q.MaxDuration > 0 && q.MaxDuration < q.MinDuration:
		return q, nil, errors.New("'maxDuration' should be greater than 'minDuration'")
	case len(ids) > maxLimit:
		return q, nil, fmt.Errorf("more than %d traces asked for", maxLimit)
	}
	return q, ids, nil
}

// parseDependencies reads endTs and lookback, both in milliseconds.
func parseDependencies(r *http.Request) (from, to time.Time, err error) {
	p := params{values: r.URL.Query()}
	to = p.time("endTs", time.Millisecond, time.Now())
	lookback := p.number("lookback", int(defaultDependencies.Milliseconds()))
	return to.Add(-time.Duration(lookback) * time.Millisecond), to, p.err
}

// params reads values and keeps the first error.
type params struct {
	values url.Values
	err    error
}

func (p *params) note(name string, err error) {
	if err != nil && p.err == nil {
		p.err = fmt.Errorf("unable to parse param '%s': %w", name, err)
	}
}

func (p *params) time(name string, unit time.Duration, otherwise time.Time) time.Time {
	text := p.values.Get(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	p.note(name, err)
	most := math.MaxInt64 / int64(unit)
	return time.Unix(0, min(max(n, -most), most)*int64(unit))
}

// duration also takes days, "2d", which Jaeger's UI writes in lookback; there
// "custom" means that start and end say it all.
func (p *params) duration(name string, otherwise time.Duration) time.Duration {
	text := p.values.Get(name)
	if text == "" || (name == "lookback" && text == "custom") {
		return otherwise
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		p.note(name, err)
		return time.Duration(n) * 24 * time.Hour
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = errors.New("negative duration")
	}
	p.note(name, err)
	return d
}

func (p *params) number(name string, otherwise int) int {
	text := p.values.Get(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if name == "lookback" {
		n, err = strconv.ParseUint(text, 10, 43)
	}
	p.note(name, err)
	return int(n)
}

// tags are sorted by key; where one is given twice, the JSON wins.
func (p *params) tags() []query.Tag {
	all := map[string]string{}
	for _, text := range p.values["tag"] {
		key, value, ok := strings.Cut(text, ":")
		if !ok {
			p.note("tag", fmt.Errorf("expecting key:value, received: %s", text))
		}
		all[key] = value
	}
	for _, text := range p.values["tags"] {
		if text == "" {
			continue // an empty field of a form
		}
		var object map[string]string
		p.note("tags", json.Unmarshal([]byte(text), &object))
		maps.Copy(all, object)
	}
	var tags []query.Tag
	for _, key := range slices.Sorted(maps.Keys(all)) {
		tags = append(tags, query.Tag{Key: key, Value: all[key]})
	}
	return tags
}
