package page

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/viewer/query"
)

// searchForm is the search as its URL has it. Where From or To is given, they
// bound the window; otherwise it reaches Lookback back from now.
type searchForm struct {
	Service, Operation, Min, Max, Tags string
	Lookback, From, To, Limit, Sort    string
	Errors, Live                       bool
}

const (
	defaultLookback = "1h"
	defaultLimit    = "50"
	maxLimit        = 1000
)

// windows and limits are what the form offers; the URL may ask for others.
// orders is all that there is.
var (
	windows = []choice{
		{Value: "5m", Label: "Last 5 minutes"},
		{Value: "15m", Label: "Last 15 minutes"},
		{Value: "1h", Label: "Last hour"},
		{Value: "6h", Label: "Last 6 hours"},
		{Value: "24h", Label: "Last 24 hours"},
		{Value: "all", Label: "All time"},
	}
	limits = []choice{
		{Value: "20", Label: "20"},
		{Value: "50", Label: "50"},
		{Value: "100", Label: "100"},
		{Value: "200", Label: "200"},
		{Value: "500", Label: "500"},
	}
	orders = []choice{
		{Value: "", Label: "Newest first"},
		{Value: "longest", Label: "Longest first"},
		{Value: "spans", Label: "Most spans first"},
		{Value: "errors", Label: "Most errors first"},
	}
)

// parseForm reads the URL. The form is whole even when there is an error, so
// that it can be shown again as it was filled in.
func parseForm(values url.Values, now time.Time) (searchForm, query.Query, error) {
	form := searchForm{
		Service: values.Get("service"), Operation: values.Get("operation"),
		Min: values.Get("min"), Max: values.Get("max"), Tags: values.Get("tags"),
		Lookback: values.Get("lookback"), From: values.Get("from"), To: values.Get("to"), Limit: values.Get("limit"),
		Sort:   values.Get("sort"),
		Errors: values.Get("errors") != "", Live: values.Get("live") != "",
	}
	if form.Lookback == "" {
		form.Lookback = defaultLookback
	}
	if form.Limit == "" {
		form.Limit = defaultLimit
	}
	var q query.Query
	var errs [7]error
	q.Service, q.Operation, q.Errors = form.Service, form.Operation, form.Errors
	q.MinDuration, errs[0] = parseDuration("minimum duration", form.Min)
	q.MaxDuration, errs[1] = parseDuration("maximum duration", form.Max)
	q.Tags, errs[2] = parseTags(form.Tags)
	q.Limit, errs[3] = parseLimit(form.Limit)
	q.From, q.To, errs[4] = parseWindow(form, now)
	if q.MaxDuration > 0 && q.MaxDuration < q.MinDuration {
		errs[5] = errors.New("the maximum duration is less than the minimum")
	}
	if !slices.ContainsFunc(orders, func(c choice) bool { return c.Value == form.Sort }) {
		errs[6] = fmt.Errorf("order: %q is none; there are longest, spans and errors", form.Sort)
	}
	return form, q, errors.Join(errs[:]...)
}

func parseDuration(what, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(strings.ReplaceAll(text, " ", ""))
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s: %q is no duration; write it like 250ms or 1.5s", what, text)
	}
	return d, nil
}

func parseLimit(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit {
		return 0, fmt.Errorf("limit: %q is no number from 1 to %d", text, maxLimit)
	}
	return n, nil
}

// parseWindow takes RFC 3339 times, and those that a browser's date field
// sends, which are UTC here.
func parseWindow(form searchForm, now time.Time) (from, to time.Time, err error) {
	to = now
	if form.To != "" {
		if to, err = parseTime("to", form.To); err != nil {
			return from, to, err
		}
	}
	switch {
	case form.From != "":
		from, err = parseTime("from", form.From)
		if err == nil && to.Before(from) {
			err = errors.New("the window ends before it begins")
		}
		return from, to, err
	case form.Lookback == "all" || form.To != "":
		return from, to, nil
	}
	back, err := time.ParseDuration(form.Lookback)
	if err != nil || back <= 0 {
		return from, to, fmt.Errorf("window: %q is no duration; write it like 15m or 24h", form.Lookback)
	}
	return to.Add(-back), to, nil
}

func parseTime(what, text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02T15:04:05.999"} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() > 1900 && t.Year() < 2262 {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%s: %q is no time; write it like 2026-11-24T12:00:00Z", what, text)
}

var errTags = errors.New(`attributes: write key=value, several with spaces between, values with spaces in "quotes"`)

// parseTags reads `key=value other="two words" third`; a key alone asks for
// any value.
func parseTags(text string) ([]query.Tag, error) {
	var tags []query.Tag
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		end := strings.IndexAny(text, "= ")
		if end < 0 {
			end = len(text)
		}
		tag := query.Tag{Key: text[:end]}
		text = text[end:]
		if tag.Key == "" {
			return nil, errTags
		}
		if rest, ok := strings.CutPrefix(text, "="); ok {
			if tag.Value, text, ok = cutValue(rest); !ok {
				return nil, errTags
			}
		}
		tags = append(tags, tag)
	}
	return tags, nil
}

// cutValue takes a value, quoted or not, from the front of the text.
func cutValue(text string) (value, rest string, ok bool) {
	for _, quote := range []string{`"`, "'"} {
		if quoted, is := strings.CutPrefix(text, quote); is {
			return strings.Cut(quoted, quote)
		}
	}
	value, rest, _ = strings.Cut(text, " ")
	return value, rest, true
}
