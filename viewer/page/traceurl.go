package page

import (
	"net/url"
	"strconv"
)

// traceURL is what a trace's page is asked to show: the query of its address.
type traceURL struct {
	View string // "" for the waterfall, "logs"
	Span string // whose panel is open
	Find string // what is searched for
	Root string // the span whose subtree alone is shown
	Page int    // 0 where the selected span decides
}

func parseTraceURL(values url.Values) traceURL {
	u := traceURL{
		View: values.Get("view"), Span: values.Get("span"), Find: values.Get("find"), Root: values.Get("root"),
	}
	if n, err := strconv.Atoi(values.Get("page")); err == nil && n > 0 {
		u.Page = n
	}
	return u
}

// String is the address relative to the trace's. It leads to the span's row.
func (u traceURL) String() string {
	values := url.Values{}
	set := func(key, value string) {
		if value != "" {
			values.Set(key, value)
		}
	}
	set("view", u.View)
	set("span", u.Span)
	set("find", u.Find)
	set("root", u.Root)
	if u.Page > 0 {
		set("page", strconv.Itoa(u.Page))
	}
	if u.Span != "" {
		return "?" + values.Encode() + "#s" + url.PathEscape(u.Span)
	}
	return "?" + values.Encode()
}

func (u traceURL) withSpan(id string) traceURL {
	u.View, u.Span = "", id
	return u
}

// onSpan leaves it to the span which page is shown.
func (u traceURL) onSpan(id string) traceURL {
	u = u.withSpan(id)
	u.Page = 0
	return u
}

func (u traceURL) onPage(n int) traceURL {
	u.Page, u.Span = n, ""
	return u
}

// withFind searches for the spans of a service, where the search can say so.
func (u traceURL) withFind(service string) traceURL {
	u.View, u.Span, u.Page = "", "", 0
	u.Find, _ = quoteTag("service.name", service)
	return u
}

func (u traceURL) withRoot(id string) traceURL {
	u.Root, u.Page = id, 0
	return u
}

func (u traceURL) withView(view string) traceURL {
	u.View, u.Page = view, 0
	return u
}
