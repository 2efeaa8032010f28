package topology

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The measures of the drawing, in pixels.
const (
	boxWidth, boxHeight  = 150, 36
	columnGap, rowGap    = 90, 24
	margin               = 20
	columnStep, rowSteps = boxWidth + columnGap, boxHeight + rowGap
)

// link is that one service calls another.
type link struct {
	from, to *Service
	async    bool
}

// DrawSVG draws the services as boxes, those that are called to the right of
// those that call them. Dashed lines are calls that nobody waits for.
func (t *Topology) DrawSVG(w io.Writer) error {
	links := t.links()
	column := t.columns(links)
	rows := map[int]int{}
	place := map[*Service][2]int{}
	width, height := 0, 0
	for _, s := range t.Services {
		at := [2]int{margin + column[s]*columnStep, margin + rows[column[s]]*rowSteps}
		rows[column[s]]++
		place[s] = at
		width, height = max(width, at[0]+boxWidth+margin), max(height, at[1]+boxHeight+margin)
	}
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", width, height)
	fmt.Fprintf(&out, "<title>%s</title>\n", escape(t.Name))
	for _, l := range links {
		a, b, dash := place[l.from], place[l.to], ""
		if l.async {
			dash = ` stroke-dasharray="5 4"`
		}
		x1, y1, x2, y2 := a[0]+boxWidth, a[1]+boxHeight/2, b[0], b[1]+boxHeight/2
		fmt.Fprintf(&out, `<path d="M%d %dC%d %d %d %d %d %d" fill="none" stroke="#888"%s/>`+"\n", x1, y1, x1+columnGap/2, y1, x2-columnGap/2, y2, x2, y2, dash)
	}
	for _, s := range t.Services {
		at := place[s]
		fmt.Fprintf(&out, `<rect x="%d" y="%d" width="%d" height="%d" rx="5" fill="#eef3fb" stroke="#35609c"/>`, at[0], at[1], boxWidth, boxHeight)
		fmt.Fprintf(&out, `<text x="%d" y="%d" text-anchor="middle">%s</text>`+"\n", at[0]+boxWidth/2, at[1]+boxHeight/2+5, escape(s.Name))
	}
	out.WriteString("</svg>\n")
	_, err := io.WriteString(w, out.String())
	return err
}

func escape(text string) string {
	var out strings.Builder
	_ = xml.EscapeText(&out, []byte(text)) // A strings.Builder takes everything.
	return out.String()
}

// links are the calls between services, each once.
func (t *Topology) links() []link {
	var links []link
	for _, s := range t.Services {
		for _, o := range s.Operations {
			for c := range o.calls() {
				if l := (link{s, c.To.Service, c.Async}); l.from != l.to && !slices.Contains(links, l) {
					links = append(links, l)
				}
			}
		}
	}
	return links
}

// columns puts each service to the right of those that call it. Services that
// call one another, by different operations, cannot all have it so.
func (t *Topology) columns(links []link) map[*Service]int {
	column := map[*Service]int{}
	for range t.Services {
		for _, l := range links {
			column[l.to] = max(column[l.to], min(column[l.from]+1, len(t.Services)-1))
		}
	}
	used := map[int]bool{}
	for _, s := range t.Services {
		used[column[s]] = true
	}
	order := make([]int, 0, len(used))
	for c := range used {
		order = append(order, c)
	}
	slices.SortFunc(order, cmp.Compare[int])
	for _, s := range t.Services {
		column[s] = slices.Index(order, column[s])
	}
	return column
}
