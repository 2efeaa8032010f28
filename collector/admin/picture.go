package admin

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// The picture's measures, in its own units.
const (
	pictureWidth = 960
	boxWidth     = 250
	readerWidth  = 300
	readerHeight = 76
	readerGap    = 14
	lineHeight   = 19
	// lineRunes is what fits on a line of a reader's box.
	lineRunes = 38
)

// behindAfter is the age of the oldest request from which on a destination is
// behind.
const behindAfter = 10 * time.Second

// The states of what is drawn, which are classes of the style sheet.
const (
	stateOK     = "ok"
	stateBehind = "behind"
	stateBad    = "bad"
	stateOff    = "off"
)

func states() []string { return []string{stateOK, stateBehind, stateBad, stateOff} }

// picture is the way of the data, drawn.
type picture struct {
	Width, Height int
	Boxes         []box
	Arrows        []arrow
	// Fill is how full the journal is; its bar lies in its box.
	Fill bar
	// Text is the picture in words.
	Text string
}

// box is a stage. Its first line is its title.
type box struct {
	X, Y, W, H int
	State      string
	Lines      []line
	Tip        string
}

type line struct {
	X, Y int
	Text string
}

type arrow struct {
	Path, State string
	Label       line
}

type bar struct{ X, Y, W, H, Filled int }

func newBox(x, y, w, h int, state string, lines ...string) box {
	b := box{X: x, Y: y, W: w, H: h, State: state, Tip: strings.Join(lines, "\n")}
	for i, text := range lines {
		b.Lines = append(b.Lines, line{X: x + 14, Y: y + 25 + i*lineHeight, Text: shorten(text)})
	}
	return b
}

// picture draws what is known.
func (a *Admin) picture(s status) picture {
	stack := max(len(s.Readers), 1)*(readerHeight+readerGap) - readerGap
	height := max(stack, 160)
	readers := a.readerBoxes(s, (height-stack)/2)
	p := picture{Width: pictureWidth, Height: height}
	middle := height / 2
	receive := newBox(0, middle-64, boxWidth, 128, stateOK, a.receiveLines()...)
	if len(s.Reasons) > len(s.Stuck) { // It is stopping, or refuses.
		receive.State = stateBad
	}
	journal := newBox(pictureWidth-readerWidth-boxWidth-80, middle-64, boxWidth, 128, s.JournalState(), a.journalLines(s)...)
	p.Fill = bar{X: journal.X + 14, Y: journal.Y + 98, W: boxWidth - 28, H: 14, Filled: (boxWidth - 28) * s.Fill / 100}
	p.Boxes = append([]box{receive, journal}, readers...)

	in := straight(receive, journal, middle)
	if a.sources.Redacting != nil && a.sources.Redacting() {
		in.Label.Text = "redact"
	}
	p.Arrows = append(p.Arrows, in)
	for i := range readers {
		p.Arrows = append(p.Arrows, curve(journal, middle, readers[i]))
	}
	p.Text = inWords(p.Boxes)
	return p
}

func (a *Admin) receiveLines() []string {
	received := func(signal string) float64 {
		return a.rates.of(counterKey("waybill_receive_items_total", "accepted", signal))
	}
	refused := a.rates.where("waybill_receive_requests_total", func(labels []string) bool {
		return labels[0] != "accepted" && labels[0] != "partial"
	})
	return []string{
		"receive",
		perSecond(received("traces"), "spans"),
		perSecond(received("metrics"), "points"),
		perSecond(received("logs"), "records"),
		perSecond(refused, "requests refused"),
	}
}

func (a *Admin) journalLines(s status) []string {
	return []string{
		"journal",
		size(s.Journal.Bytes) + " of " + size(s.Journal.MaxBytes),
		size(uint64(a.rates.of(counterKey("waybill_journal_appended_bytes_total")))) + "/s in",
	}
}

// readerBoxes are the journal's readers from y on; where nobody reads, the only
// box says so.
func (a *Admin) readerBoxes(s status, y int) (boxes []box) {
	for _, r := range s.Readers {
		lines, state := a.readerLines(r, s.Now)
		boxes = append(boxes, newBox(pictureWidth-readerWidth, y, readerWidth, readerHeight, state, lines...))
		y += readerHeight + readerGap
	}
	if len(boxes) == 0 {
		boxes = append(boxes, newBox(pictureWidth-readerWidth, y, readerWidth, readerHeight, stateOff, "nobody reads"))
	}
	return boxes
}

func (a *Admin) readerLines(r reader, now time.Time) (lines []string, state string) {
	title, rate := r.Name, ""
	switch {
	case r.To.Signal != "":
		title = r.To.Signal + " → " + r.To.Name
		rate = perSecond(a.rates.of(counterKey("waybill_export_items_total", r.To.Name, "sent", r.To.Signal)), itemsOf(r.To.Signal)) + " sent"
	case r.Name == "derive-red":
		title = "derived metrics"
		rate = perSecond(a.rates.of(counterKey("waybill_derive_spans_total")), "spans") + " counted"
	}
	lag := "up to date"
	if r.Lag > 0 {
		lag = size(r.Lag) + " to read"
		if !r.To.Oldest.IsZero() {
			lag += ", " + now.Sub(r.To.Oldest).Round(time.Second).String() + " behind"
		}
	}
	switch {
	case r.Stuck, !r.To.FailingSince.IsZero():
		lines = []string{title, lag, "stuck for " + r.Still.Round(time.Second).String()}
		if !r.To.FailingSince.IsZero() {
			lines[2] = "fails for " + now.Sub(r.To.FailingSince).Round(time.Second).String() + ": " + cause(r.To.LastError)
		}
		return lines, stateBad
	case !r.To.Oldest.IsZero() && now.Sub(r.To.Oldest) > behindAfter:
		state = stateBehind
	default:
		state = stateOK
	}
	if rate == "" {
		return []string{title, lag}, state
	}
	return []string{title, rate, lag}, state
}

// cause is the end of an error, which says most in the little room that there is:
// not that a request was sent and where, but that the connection was refused.
func cause(text string) string {
	if i := strings.LastIndex(text, ": "); i >= 0 && i+2 < len(text) {
		return text[i+2:]
	}
	return text
}

func itemsOf(signal string) string {
	switch signal {
	case "metrics":
		return "points"
	case "logs":
		return "records"
	}
	return "spans"
}

// straight goes from the one box's right side to the other's left.
func straight(from, to box, y int) arrow {
	x := from.X + from.W
	return arrow{
		Path:  fmt.Sprintf("M%d %d H%d", x, y, to.X-7),
		State: from.State,
		Label: line{X: (x + to.X) / 2, Y: y - 8},
	}
}

// curve goes from the middle of the one box's right side to the other's.
func curve(from box, y int, to box) arrow {
	x, end := from.X+from.W, to.Y+to.H/2
	bend := (x + to.X) / 2
	return arrow{Path: fmt.Sprintf("M%d %d C%d %d %d %d %d %d", x, y, bend, y, bend, end, to.X-7, end), State: to.State}
}

func inWords(boxes []box) string {
	var words []string
	for _, b := range boxes {
		words = append(words, strings.ReplaceAll(b.Tip, "\n", ", "))
	}
	return strings.Join(words, "; ")
}

// shorten cuts a text to what fits on a line.
func shorten(text string) string {
	if utf8.RuneCountInString(text) <= lineRunes {
		return text
	}
	return string([]rune(text)[:lineRunes-1]) + "…"
}

// perSecond writes a rate with three digits that count.
func perSecond(rate float64, of string) string {
	text := fmt.Sprintf("%.0f", rate)
	switch {
	case rate >= 1e6:
		text = fmt.Sprintf("%.3gM", rate/1e6)
	case rate >= 1e4:
		text = fmt.Sprintf("%.3gk", rate/1e3)
	case rate > 0 && rate < 10:
		text = fmt.Sprintf("%.2g", rate)
	}
	return text + " " + of + "/s"
}
