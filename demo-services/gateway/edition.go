package gateway

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// edition is how one version of the API answers.
type edition struct {
	name string
	// enveloped answers have the data and, beside them, what is to be said of
	// them; the others are the data alone.
	enveloped bool
}

func editions() []edition {
	return []edition{{name: "v1"}, {name: "v2", enveloped: true}}
}

// Envelope is the body of every answer of v2 that is no problem.
type Envelope struct {
	Data any  `json:"data"`
	Meta Meta `json:"meta"`
}

// Meta is what is to be said of an answer's data.
type Meta struct {
	Version string `json:"version"`
	// Count and Limit are those of a list: how many there are in it, and how
	// many there might be.
	Count *int `json:"count,omitempty"`
	Limit *int `json:"limit,omitempty"`
	// Next is the path of the list's next part, if there is one.
	Next string `json:"next,omitempty"`
	// Degraded names the parts of the data that are missing because the
	// service that has them does not answer.
	Degraded []string `json:"degraded,omitempty"`
}

// write answers with the data, in an envelope or without.
func (e edition) write(w http.ResponseWriter, status int, data any, meta Meta) {
	if !e.enveloped {
		platform.WriteJSON(w, status, data)
		return
	}
	meta.Version = e.name
	platform.WriteJSON(w, status, Envelope{Data: data, Meta: meta})
}

// after is the path of a list's part that follows the one which ends with the id.
func (e edition) after(list, id string, limit int32) string {
	return "/api/" + e.name + "/" + list + "?" + url.Values{"after": {id}, "limit": {strconv.Itoa(int(limit))}}.Encode()
}

// list answers with a list.
func (e edition) list(w http.ResponseWriter, data []any, meta Meta) {
	meta.Count = new(len(data))
	e.write(w, http.StatusOK, data, meta)
}
