package page

import (
	"context"
	"html/template"
	"net/http"
)

// Board is what visitors may switch on and off: the demo's faults. A viewer
// without one has no such page.
type Board struct {
	// Title is the page's, and short: it stands in every page's head. Intro
	// says in a sentence or two what the switches are for.
	Title, Intro string
	// List gives the switches, those of a group one after the other.
	List func(context.Context) []Switch
	// Set switches; its error is shown to the visitor.
	Set func(ctx context.Context, key string, on bool) error
}

// Switch is one of a board's.
type Switch struct {
	// Key names the switch in a path: letters, digits and hyphens.
	Key string `json:"key"`
	// Group is what it belongs to, such as a service.
	Group string `json:"group"`
	// Title and Text say what it does.
	Title string `json:"title"`
	Text  string `json:"text"`
	On    bool   `json:"on"`
	// See is the query of a search that shows what it does, such as
	// "service=order&errors=on", or nothing.
	See string `json:"-"`
}

// Query is See as a part of an address: its own "&" and "=" count.
func (s Switch) Query() template.URL {
	return template.URL(s.See) //nolint:gosec // who runs the viewer wrote it, and "/?" stands before it
}

// boardPage is the page of the switches.
type boardPage struct {
	frame
	Intro    string
	Switches []Switch
	// On is how many are on.
	On int
}

// registerBoard adds the page of the switches, and where its buttons lead. A
// page of somebody else's can't press them.
func (p *Pages) registerBoard(mux *http.ServeMux) {
	mux.HandleFunc("GET /board", p.showBoard)
	press := http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.press))
	mux.Handle("POST /board/{key}", press)
	mux.HandleFunc("GET /api/board", p.listSwitches)
	mux.Handle("PUT /api/board/{key}", http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.setSwitch)))
}

func (p *Pages) showBoard(w http.ResponseWriter, r *http.Request) {
	data := boardPage{frame: frame{Title: p.board.Title, Section: "board"}, Intro: p.board.Intro, Switches: p.board.List(r.Context())}
	for _, s := range data.Switches {
		if s.On {
			data.On++
		}
	}
	p.render(w, r, http.StatusOK, "board", "frame", data)
}

// press switches what the path names to what the form says.
func (p *Pages) press(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	key, on := r.PathValue("key"), r.PostFormValue("on")
	if on != "true" && on != "false" {
		p.fail(w, r, http.StatusBadRequest, "A switch is on or off", "The form must have on=true or on=false.")
		return
	}
	if err := p.board.Set(r.Context(), key, on == "true"); err != nil {
		p.logger.WarnContext(r.Context(), "a switch stays as it is", "key", key, "error", err)
		p.fail(w, r, http.StatusUnprocessableEntity, "The switch stays as it is", err.Error())
		return
	}
	redirect(w, r, "/board")
}
