package page

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// formatDuration shows three digits with the unit that suits.
func formatDuration(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d < time.Microsecond:
		return strconv.FormatInt(int64(d), 10) + " ns"
	case d < time.Millisecond:
		return digits(float64(d)/1e3) + " µs"
	case d < time.Second:
		return digits(float64(d)/1e6) + " ms"
	case d < time.Minute:
		return digits(float64(d)/1e9) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d m %02d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %02d m", int(d.Hours()), int(d.Minutes())%60)
}

// digits writes a number from 1 to 1000 with about three digits.
func digits(f float64) string {
	switch {
	case f < 10:
		return trimZeros(strconv.FormatFloat(f, 'f', 2, 64))
	case f < 100:
		return trimZeros(strconv.FormatFloat(f, 'f', 1, 64))
	}
	return strconv.FormatFloat(f, 'f', 0, 64)
}

func trimZeros(s string) string {
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func formatClock(t time.Time) string { return t.UTC().Format("15:04:05.000") }
func formatStamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000") }

// percent is a share of a span of time as SVG takes it, with enough digits for
// a very wide screen.
func percent(part, whole time.Duration) string {
	if whole <= 0 {
		return "0%"
	}
	return strconv.FormatFloat(math.Round(float64(part)/float64(whole)*1e5)/1e3, 'f', -1, 64) + "%"
}

// cut shortens a text that could fill the page: to about most bytes, whole
// characters only.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "…"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// paletteSize is the number of service colours in the style sheet.
const paletteSize = 12

// palette gives each service a colour that it keeps from page to page: the one
// that its name hashes to, or the next free one. Only with more services than
// colours do two share one.
func palette(services []string) map[string]int {
	colours := make(map[string]int, len(services))
	var taken [paletteSize]bool
	for i, s := range services {
		if i%paletteSize == 0 {
			taken = [paletteSize]bool{}
		}
		c := hashColour(s)
		for taken[c] {
			c = (c + 1) % paletteSize
		}
		taken[c] = true
		colours[s] = c
	}
	return colours
}

func hashColour(service string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(service))
	return int(h.Sum32() % paletteSize)
}

// colours is the palette of all services that the index knows.
func (p *Pages) colours() map[string]int { return palette(p.engine.Services()) }

// niceStep is a round length of time that divides whole into at most most parts.
func niceStep(whole time.Duration, most int) time.Duration {
	if whole <= 0 {
		return 1
	}
	rough := float64(whole) / float64(most)
	power := math.Pow(10, math.Floor(math.Log10(rough)))
	steps := []float64{1, 2, 5, 10}
	i := slices.IndexFunc(steps, func(s float64) bool { return s*power >= rough*(1-1e-9) })
	return max(time.Duration(steps[max(i, 0)]*power), 1)
}

// formatRate shows calls per second, or per minute where they are few.
func formatRate(calls uint64, window time.Duration) string {
	perSecond := float64(calls) / max(window.Seconds(), 1)
	if perSecond < 1 {
		return digits(perSecond*60) + "/min"
	}
	if perSecond >= 1000 {
		return digits(perSecond/1000) + "k/s"
	}
	return digits(perSecond) + "/s"
}

// formatShare shows a share in percent; what is there is never shown as none.
func formatShare(part, whole uint64) string {
	if part == 0 || whole == 0 {
		return "0 %"
	}
	percent := float64(part) / float64(whole) * 100
	if percent < 0.1 {
		return "<0.1 %"
	}
	return digits(percent) + " %"
}
