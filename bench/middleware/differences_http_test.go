package middleware

import "strings"

// serverRules are where httpmw's server and otelhttp's differ.
func serverRules() []rule {
	return []rule{
		{"http.server.active_requests *", onlyOurs, "requests that hang are seen while they do (contrib#2617)"},
		{"http.server.* bounds", in("handler", func(c circumstances) bool { return c.theirs != "" && strings.HasSuffix(c.theirs, " 10000]") }), "bytes get bounds of bytes, up to 16 MiB; theirs are the SDK's for milliseconds"},
		{"http.server.*", in("handler panics|handler aborts", onlyOurs), "a request whose handler panics is measured, too (glue#195)"},
		{"span.status", in("handler panics", says("Error", "Unset")), "a panic is an error of the server"},
		{"span.message", in("handler panics", onlyOurs), "a panic is an error of the server"},
		{"span.attribute http.response.status_code", in("handler panics", says("500", "")), "a panic is a 500 to those who count errors"},
		{"span.attribute error.type", in("handler panics", says("panic", "")), "a panic has an error.type of its own"},
		{"span.attribute error.type", in("handler aborts", says("aborted", "")), "an aborted response has an error.type of its own"},
		{"span.event exception", in("handler aborts", onlyTheirs), "http.ErrAbortHandler is how a proxy gives up, not a failure of the code"},
		{"span.name", in("handler panics|handler aborts", func(c circumstances) bool { return strings.HasPrefix(c.ours, c.theirs+" ") }), "a span that ends by a panic is named by its route, too"},
		{"* label http.response.status_code", in("handler is left", says("", "200")), "a client that left has got no response (contrib#9358)"},
		{"span.attribute http.response.status_code", in("handler is left", says("", "200")), "a client that left has got no response (contrib#9358)"},
		{"* label error.type", in("handler is left", says("client_closed_request", "")), "clients that leave can be counted (contrib#9358)"},
		{"span.attribute error.type", in("handler is left", says("client_closed_request", "")), "clients that leave can be counted (contrib#9358)"},
		{"* label server.*", onlyTheirs, "the Host header is the client's to choose, and would make as many series as it likes (CVE-2023-45142)"},
		{"* label network.protocol.name", onlyTheirs, "required only where it is not http; on each series it says nothing"},
		{"* label http.request.method", says("QUERY", "_OTHER"), "QUERY is a known method of the conventions (v1.44)"},
		{"span.attribute http.request.method", says("QUERY", "_OTHER"), "QUERY is a known method of the conventions (v1.44)"},
		{"span.attribute http.request.method_original", says("", "QUERY"), "QUERY is a known method of the conventions (v1.44)"},
		{"span.name", in("QUERY "), "QUERY is a known method of the conventions (v1.44)"},
		{"*http.request.method*", in("get "), "methods are case-sensitive: get is not GET, and no server serves it as such"},
		{"span.name", in("get "), "methods are case-sensitive: get is not GET"},
		{"span.attribute client.address", onlyTheirs, "the peer stands in network.peer.address; who is behind it only the service can know, and X-Forwarded-For is the client's to choose"},
		{"span.attribute url.query", onlyOurs, "the query is there, with its secrets redacted"},
		{"span.attribute http.route", onlyOurs, "the route is on the span as well as on the metric (contrib#6193)"},
		{"span.attribute http.re*.body.size", says("0", ""), "an empty body has a size"},
		{"span.attribute http.request.body.size", in("body unread|body known", says("8", "")), "the size is that of what was sent, not of what the handler has read"},
		{"span.attribute http.request.body.size", in("handler panics|handler aborts", says("8", "")), "a request whose handler panics has a size, too"},
		{"http.server.request.body.size value", in("body unread|body known", says("1 of 8 bytes", "1 of 0 bytes")), "the size is that of what was sent, not of what the handler has read"},
		{"* label error.type", in("500|503", statusOnly), "the conventions ask for error.type wherever a request has failed"},
		{"span.attribute error.type", in("500|503", statusOnly), "the conventions ask for error.type wherever a request has failed"},
		{"span.attribute server.port", in(":443", onlyOurs), "the Host header has named the port"},
		{"span.tracestate", in("state in two headers", says("a=1,b=2", "a=1")), "a tracestate in parts is one list (Trace Context, 3.3.1)"},
		{"span.parent", in("flags yet to come", says("caller", "none")), "flags that a level to come may give a meaning void no trace, as random did not"},
		{"span.parent", in("two traces|the same trace twice", says("none", "caller")), "of two traceparents none can be trusted (Trace Context, 3.2.1)"},
	}
}

// clientRules are where httpmw's client and otelhttp's differ.
func clientRules() []rule {
	return []rule{
		{"http.client.request.body.size *", onlyTheirs, "a metric in development, which we do not make"},
		{"* label network.protocol.name", onlyTheirs, "required only where it is not http; on each series it says nothing"},
		{"* label url.scheme", onlyTheirs, "opt-in; the port tells it"},
		{"* network.protocol.version", in("a refusal|a timeout|a reset|nonsense|a cancellation", onlyTheirs), "the version is that of the response; theirs is what the request object says, which no server has seen"},
		{"http.client.request.duration label network.protocol.version", in("HTTP/2", says("2", "2.0")), "the conventions spell HTTP/2 as 2"},
		{"span.attribute network.protocol.version", in("HTTP/2", says("2", "2.0")), "the conventions spell HTTP/2 as 2"},
		{"http.client.request.duration label server.port", onlyOurs, "server.port is required on clients; without one in the URL it is the scheme's"},
		{"span.attribute server.port", onlyOurs, "server.port is required on clients; without one in the URL it is the scheme's"},
		{"span.name", in("BREW ", says("HTTP", "HTTP BREW")), "a method that is not known is no part of a span's name"},
		{"span.name", in(" http", func(c circumstances) bool { return "HTTP "+c.ours == c.theirs }), "a client's span is named {method}"},
		{"span.name", in(" http", says("GET", "HTTP ")), "a request without a method is a GET"},
		{"* label http.request.method", in(" http", says("GET", "_OTHER")), "a request without a method is a GET"},
		{"span.attribute http.request.method", says("GET", "_OTHER"), "a request without a method is a GET"},
		{"*http.request.method", in("QUERY ", says("QUERY", "_OTHER")), "QUERY is a known method of the conventions (v1.44)"},
		{"span.attribute http.request.method_original", says("", "QUERY"), "QUERY is a known method of the conventions (v1.44)"},
		{"span.status", in("a cancellation", says("Unset", "Error")), "who cancels its own request has no error (semantic-conventions#3494)"},
		{"span.message", in("a cancellation", says("", "context canceled")), "who cancels its own request has no error (semantic-conventions#3494)"},
		{"* error.type", in("a cancellation", onlyTheirs), "who cancels its own request has no error (semantic-conventions#3494)"},
		{"* error.type", in("a refusal", ofOurs("connection_refused")), "a word that says what happened, of few; theirs is a Go type, the same for all of these"},
		{"* error.type", in("a timeout", ofOurs("timeout")), "a word that says what happened, of few; theirs is a Go type"},
		{"* error.type", in("a reset", ofOurs("connection_closed")), "a word that says what happened, of few; theirs is a Go type, the same for all of these"},
		{"* error.type", in("nonsense", ofOurs("_OTHER")), "what is not known is _OTHER, as the conventions have it"},
		{"* error.type", in("a break", ofOurs("connection_closed")), "a body that breaks off has failed the request, also in the metric"},
		{"* error.type", in(" 4| 5", statusOnly), "the conventions ask for error.type wherever a request has failed"},
		{"span.attribute url.full", in("s3cret", redacted), "secrets in URLs stay out (contrib#6987)"},
		{"span.attribute url.full", in("#top", func(c circumstances) bool { return c.ours+"#top" == c.theirs }), "the fragment is not sent"},
	}
}

// statusOnly is a status as error.type where theirs has none.
func statusOnly(c circumstances) bool {
	return c.theirs == "" && len(c.ours) == 3 && strings.Contains(c.request, " "+c.ours)
}

// ofOurs is that ours says the word; theirs says the Go type, or nothing.
func ofOurs(word string) func(circumstances) bool {
	return func(c circumstances) bool {
		return c.ours == word && (c.theirs == "" || strings.Contains(c.theirs, "."))
	}
}

// redacted is theirs without the secret.
func redacted(c circumstances) bool {
	return strings.ReplaceAll(c.theirs, "s3cret", "REDACTED") == c.ours
}
