package viewer_test

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// The README's pictures come from here. WAYBILL_SCREENSHOTS is the directory
// that they are written to, as traces.png, trace.png and map.png; without it
// they are made and thrown away, so that the code stays alive. With
// WAYBILL_VIEWER_URL they show a viewer that runs already, as that of
// `make demo` does; without it, made-up orders of a shop.
const (
	screenshotDir = "WAYBILL_SCREENSHOTS"
	screenshotURL = "WAYBILL_VIEWER_URL"
)

// The size of the pictures in CSS pixels. A picture has more pixels than that,
// so that text stays sharp on a fine screen.
const (
	pictureWidth, pictureHeight = 1440, 860
	pictureScale                = 1.5
)

func TestScreenshots(t *testing.T) {
	dir, base := os.Getenv(screenshotDir), os.Getenv(screenshotURL)
	if dir == "" {
		dir = t.TempDir()
	}
	if base == "" {
		base = shop(t)
	}
	b := startBrowser(t).tab(t, base)
	b.size(pictureWidth)
	b.open("/")
	b.wait(`document.querySelector("table.traces tbody tr")`)
	// Where a shop is at work, the newest trace is often still on its way.
	for range 20 {
		if b.count("table.traces tbody .tag") == 0 {
			break
		}
		b.open("/")
	}
	b.picture(filepath.Join(dir, "traces.png"))

	// The trace to show is the failed one with the most spans, or the one with
	// the most spans where none has failed; and in it, the first failed span
	// that has events.
	b.open(ask[string](b, `(() => {
		const rows = [...document.querySelectorAll("table.traces tbody tr")];
		const spans = (row) => Number(row.querySelector("td.num").innerText) + (row.matches(".failed") ? 1e6 : 0);
		return new URL(rows.sort((a, b) => spans(b) - spans(a))[0].querySelector(".what a").href).pathname;
	})()`))
	b.wait(`document.querySelector("#rows .row")`)
	b.do("open a span", chromedp.Evaluate[chromedp.Void](`(() => {
		const rows = [...document.querySelectorAll("#rows .row:has(a)")];
		const telling = (row) => (row.matches(".failed") ? 2 : 0) + (row.querySelector("circle") ? 1 : 0);
		rows.sort((a, b) => telling(b) - telling(a))[0].querySelector("a").click();
	})()`))
	b.wait(`document.querySelector("#panel h2") && !document.querySelector("#panel").hidden`)
	b.do("go to the top", chromedp.Evaluate[chromedp.Void](`scrollTo(0, 0)`))
	b.picture(filepath.Join(dir, "trace.png"))

	b.open("/map")
	b.wait(`document.querySelector("#map .edge")`)
	b.size(max(pictureWidth, ask[int64](b, `document.querySelector("#map").width.baseVal.value + 60`)))
	b.picture(filepath.Join(dir, "map.png"))
}

// size sets the tab's width in CSS pixels; the height is that of the pictures.
func (b *tab) size(width int64) {
	b.t.Helper()
	b.do("set the size", chromedp.EmulateViewport(width, pictureHeight, chromedp.EmulateScale(pictureScale)))
}

// picture writes what the tab shows.
func (b *tab) picture(path string) {
	b.t.Helper()
	content, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Errorf("capture %s: %v", path, err)
		return
	}
	shown, err := png.DecodeConfig(bytes.NewReader(content))
	if err != nil || shown.Width < pictureWidth*pictureScale || shown.Height != pictureHeight*pictureScale {
		b.t.Errorf("%s: %d by %d pixels, %v", path, shown.Width, shown.Height, err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		b.t.Error(err)
	}
}
