package page

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/query"
)

func TestParseForm(t *testing.T) {
	hour := index.Filter{From: noon.Add(-time.Hour), To: noon}
	f := func(text string, want query.Query) {
		t.Helper()
		values, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		_, got, err := parseForm(values, noon)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if want.Limit == 0 {
			want.Limit = 50
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	with := func(change func(*index.Filter)) query.Query {
		filter := hour
		change(&filter)
		return query.Query{Filter: filter}
	}
	f("", query.Query{Filter: hour})
	f("service=order&operation=Create&errors=1", with(func(f *index.Filter) {
		f.Service, f.Operation, f.Errors = "order", "Create", true
	}))
	f("min=250ms&max=1.5+s", with(func(f *index.Filter) { f.MinDuration, f.MaxDuration = 250*ms, 1500*ms }))
	f("lookback=15m", with(func(f *index.Filter) { f.From = noon.Add(-15 * time.Minute) }))
	f("lookback=all", with(func(f *index.Filter) { f.From = time.Time{} }))
	f("limit=7", query.Query{Filter: hour, Limit: 7})
	f("from=2026-11-24T10:00&to=2026-11-24T11:30:00Z", with(func(f *index.Filter) {
		f.From, f.To = noon.Add(-2*time.Hour), noon.Add(-30*time.Minute)
	}))
	f("from=2026-11-24T10:00:00.5Z", with(func(f *index.Filter) { f.From = noon.Add(-2*time.Hour + 500*ms) }))
	f("to=2026-11-24T11:00:00", with(func(f *index.Filter) { f.From, f.To = time.Time{}, noon.Add(-time.Hour) }))
	f("tags=a%3D1+b", query.Query{Filter: hour, Tags: []query.Tag{{Key: "a", Value: "1"}, {Key: "b"}}})
}

func TestParseFormRefuses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		values, err := url.ParseQuery(text)
		if err != nil {
			t.Fatal(err)
		}
		form, _, err := parseForm(values, noon)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
		if form.Service != values.Get("service") {
			t.Errorf("%s: the form is lost: %+v", text, form)
		}
	}
	f("service=order&min=fast", `minimum duration: "fast" is no duration`)
	f("max=-1s", "maximum duration")
	f("min=2s&max=1s", "less than the minimum")
	f("limit=0", "limit")
	f("limit=100000", "limit")
	f("lookback=0s", "window")
	f("lookback=yesterday", "window")
	f("from=noon", `from: "noon" is no time`)
	f("from=0001-01-01T00:00:00Z", "from")
	f("from=2026-11-24T11:00&to=2026-11-24T10:00", "ends before it begins")
	f("tags=%3Dx", "attributes")
	f("tags=a%3D%22open", "attributes")
	f("sort=beauty", "order")
	f("min=x&limit=y", "minimum duration")
	f("min=x&limit=y", "limit")
}

func TestParseTags(t *testing.T) {
	f := func(text string, want ...query.Tag) {
		t.Helper()
		got, err := parseTags(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	f("")
	f("  ")
	f("error", query.Tag{Key: "error"})
	f("error ", query.Tag{Key: "error"})
	f("a= b", query.Tag{Key: "a"}, query.Tag{Key: "b"})
	f("a==b=c", query.Tag{Key: "a", Value: "=b=c"})
	f(`a="two words" b='it is "so"' c`, query.Tag{Key: "a", Value: "two words"}, query.Tag{Key: "b", Value: `it is "so"`}, query.Tag{Key: "c"})
}

func FuzzQuotedTagsAreRead(f *testing.F) {
	for _, value := range []string{"1", "two words", `"quoted"`, "it's", `"it's"`, "a=b", "\t", "\v", ""} {
		f.Add("key", value)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		text, ok := quoteTag(key, value)
		if !ok {
			return
		}
		got, err := parseTags(text)
		if diff := cmp.Diff([]query.Tag{{Key: key, Value: value}}, got); err != nil || diff != "" {
			t.Errorf("%q: %v\n%s", text, err, diff)
		}
	})
}
