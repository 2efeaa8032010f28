package viewer_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/viewer"
	"github.com/waybill-dev/waybill/viewer/viewertest"
)

// orders is how many the browser's shop has; declined and whole are the
// newest of either kind.
const (
	orders   = 40
	declined = 35
	whole    = 39
)

// shop starts a viewer of a shop's orders, and tells its URL.
func shop(t *testing.T) string {
	t.Helper()
	j := memory.New(memory.Config{})
	viewertest.Shop(t, j, orders, time.Now().Add(-time.Second))
	v := start(t, j, nil, viewer.WithBoard(board()))
	await(t, v, func(h health) bool { return h.Traces == orders && h.Behind == 0 })
	return "http://" + v.Addr().String()
}

// board has one switch, which remembers what it was switched to.
func board() viewer.Board {
	var on atomic.Bool
	return viewer.Board{
		Title: "Faults", Intro: "What may go wrong.",
		List: func(context.Context) []viewer.Switch {
			return []viewer.Switch{{Key: "psp-down", Group: "psp", Title: "Provider down", Text: "It answers 503.", On: on.Load(), See: "service=psp"}}
		},
		Set: func(_ context.Context, _ string, to bool) error { on.Store(to); return nil },
	}
}

func tracePath(order int) string { return "/trace/" + viewertest.TraceID(order).String() }

// row selects the page's row of an order's span.
func row(id int) string { return "#s" + viewertest.SpanID(id).String() }

func TestBrowser(t *testing.T) {
	browser := startBrowser(t)
	base := shop(t)
	for name, scenario := range map[string]func(*testing.T, *tab){
		"the list filters":               listFilters,
		"a trace shows its spans":        traceShowsSpans,
		"a span opens":                   spanOpens,
		"rows collapse":                  rowsCollapse,
		"find within a trace":            findWithin,
		"errors are stepped through":     stepThroughErrors,
		"logs of a trace":                logsOfTrace,
		"the map":                        mapShowsCalls,
		"switches are pressed":           switchesArePressed,
		"all of it works without script": worksWithoutScript,
	} {
		t.Run(name, func(t *testing.T) { scenario(t, browser.tab(t, base)) })
	}
}

func listFilters(t *testing.T, b *tab) {
	b.open("/")
	b.wait(fmt.Sprintf(`document.querySelectorAll("table.traces tbody tr").length === %d`, orders))
	failed := b.count("table.traces tbody tr.failed")
	if want := orders / 7; failed != want {
		t.Errorf("%d rows are marked as failed, want %d", failed, want)
	}
	b.choose("service", "notification")
	b.wait(`location.search.includes("service=notification")`)
	b.wait(fmt.Sprintf(`document.querySelectorAll("table.traces tbody tr").length === %d`, orders-failed))
	b.is(`[...document.querySelectorAll("table.traces tbody tr")].every((row) => row.innerText.includes("notification"))`)
	b.is(`[...document.querySelector("select[name=operation]").options].some((o) => o.text === "process orders.confirmed")`)
	b.choose("service", "payment")
	b.wait(`location.search.includes("service=payment")`)
	b.click("input[name=errors]")
	b.wait(`location.search.includes("errors=1")`)
	b.wait(fmt.Sprintf(`document.querySelectorAll("table.traces tbody tr").length === %d`, failed))
	b.is(`document.querySelectorAll("table.traces tbody tr:not(.failed)").length === 0`)
	b.click("table.traces tbody tr:first-child a")
	b.wait(`location.pathname === ` + quoted(tracePath(declined)))
}

// choose picks an option as a person does.
func (b *tab) choose(name, value string) {
	b.t.Helper()
	b.do("choose "+value, chromedp.Evaluate[chromedp.Void](fmt.Sprintf(
		`{const s = document.querySelector("select[name=%s]"); s.value = %s; s.dispatchEvent(new Event("change", {bubbles: true}))}`,
		name, quoted(value))))
}

func traceShowsSpans(t *testing.T, b *tab) {
	b.open(tracePath(whole))
	b.wait(`document.querySelector("#rows .row")`)
	if got := b.count("#rows .row"); got != viewertest.OrderSpans {
		t.Errorf("%d rows, want %d", got, viewertest.OrderSpans)
	}
	// Each span has a bar that can be seen, within the space for bars.
	b.is(`[...document.querySelectorAll("#rows .row")].every((row) => {
		const bar = row.querySelector(".t rect").getBoundingClientRect(), space = row.querySelector(".t").getBoundingClientRect();
		return bar.width > 0 && bar.height > 0 && bar.left >= space.left - 1 && bar.right <= space.right + 3;
	})`)
	// The root's bar is the widest but for what came later.
	b.is(`document.querySelector(` + quoted(row(1)+" .t rect") + `).getBoundingClientRect().width > 400`)
	b.is(`document.querySelector("h1").innerText.includes("POST /api/v1/orders")`)
	b.is(`document.querySelector(".head .chips").innerText.includes("notification")`)
}

func spanOpens(_ *testing.T, b *tab) {
	b.open(tracePath(declined))
	b.wait(`document.querySelector("#panel").hidden`)
	b.click(row(12) + " a") // payment's side of taking the payment
	b.wait(`!document.querySelector("#panel").hidden && document.querySelector("#panel h2")`)
	b.wait(`document.querySelector("#panel").innerText.includes("payment.Payment/Take")`)
	for _, text := range []string{"rpc.system.name", "grpc", "exception", "insufficient funds", "card declined", "service.instance.id", "payment-1"} {
		b.is(`document.querySelector("#panel").innerText.includes(` + quoted(text) + `)`)
	}
	b.do("press Escape", chromedp.KeyEvent("\x1b"))
	b.wait(`document.querySelector("#panel").hidden`)
}

// visible counts the rows that are shown.
const visible = `[...document.querySelectorAll("#rows .row")].filter((row) => row.checkVisibility()).length`

func rowsCollapse(_ *testing.T, b *tab) {
	b.open(tracePath(whole))
	b.wait(fmt.Sprintf(`%s === %d`, visible, viewertest.OrderSpans))
	b.click(row(1) + " .fold")
	b.wait(visible + ` === 1`)
	b.is(`document.querySelector(` + quoted(row(1)) + `).getAttribute("aria-expanded") === "false"`)
	b.click(row(1) + " .fold")
	b.wait(fmt.Sprintf(`%s === %d`, visible, viewertest.OrderSpans))
	b.wait(`!document.querySelector("[data-fold=all]").closest("[hidden]")`)
	b.click("[data-fold=all]")
	b.wait(fmt.Sprintf(`%s < %d`, visible, viewertest.OrderSpans))
	b.click("[data-fold=none]")
	b.wait(fmt.Sprintf(`%s === %d`, visible, viewertest.OrderSpans))
}

func findWithin(t *testing.T, b *tab) {
	b.open(tracePath(whole))
	b.wait(`document.querySelector("#find")`)
	b.do("type", chromedp.SendKeys(chromedp.CSS("#find"), "sqlite\r"))
	b.wait(`document.querySelector("#hits").innerText.includes("3 found")`)
	if got := b.count("#rows .row.hit"); got != 3 {
		t.Errorf("%d rows are marked, want 3", got)
	}
}

func stepThroughErrors(_ *testing.T, b *tab) {
	b.open(tracePath(declined))
	b.wait(`document.querySelector("#error-steps")`)
	b.is(`document.querySelector("#error-steps").innerText.includes("5")`)
	b.click("#error-steps [data-step=next]")
	b.wait(`document.querySelector("#rows .row.on.failed")`)
}

func logsOfTrace(t *testing.T, b *tab) {
	b.open(tracePath(whole))
	b.wait(`document.querySelector(".tabs")`)
	b.click(".tabs a:nth-child(2)")
	b.wait(`document.querySelector("table.logs")`)
	if got := b.count("table.logs tbody tr"); got != viewertest.OrderLogs {
		t.Errorf("%d log records, want %d", got, viewertest.OrderLogs)
	}
	for _, text := range []string{"order accepted", "payment taken", "message sent", "o-000039"} {
		b.is(`document.querySelector("table.logs").innerText.includes(` + quoted(text) + `)`)
	}
}

func mapShowsCalls(t *testing.T, b *tab) {
	b.open("/map")
	b.wait(`document.querySelector("#map .edge")`)
	// Every node that is named in a drawing can be seen in it.
	b.is(`[...document.querySelectorAll("#map .node")].every((node) => node.getBoundingClientRect().width > 20)`)
	nodes := ask[[]string](b, `[...document.querySelectorAll("#map .node text.name")].map((text) => text.textContent)`)
	have := map[string]bool{}
	for _, name := range nodes {
		have[name] = true
	}
	for _, service := range []string{"gateway", "user", "order", "inventory", "payment", "psp", "notification"} {
		if !have[service] {
			t.Errorf("the map has no node %s, only %v", service, nodes)
		}
	}
	if got := b.count("#map .edge.call"); got != 5 {
		t.Errorf("%d edges are calls, want 5: gateway to user and order, order to inventory and payment, payment to psp", got)
	}
	if got := b.count("#map .edge.message"); got != 1 {
		t.Errorf("%d edges are messages, want 1: order to notification", got)
	}
	b.is(`document.querySelector("#map .edge.failed")`)
	b.is(`document.querySelector("table.numbers").innerText.includes("gateway")`)
}

// switchesArePressed turns a switch on and off again: a form, no script, under
// the policy that forbids scripts in pages.
func switchesArePressed(_ *testing.T, b *tab) {
	b.open("/")
	b.click(`nav a[href="/board"]`)
	for _, state := range []string{"true", "false"} {
		b.click(`button[aria-labelledby="psp-down-title"]`)
		b.wait(`document.querySelector('button[role="switch"]').getAttribute("aria-checked") === "` + state + `"`)
		b.is(`location.pathname === "/board"`)
	}
}

func worksWithoutScript(t *testing.T, b *tab) {
	b.scriptless()
	b.open("/")
	b.wait(fmt.Sprintf(`document.querySelectorAll("table.traces tbody tr").length === %d`, orders))
	b.click("input[name=errors]")
	b.click("form.filters button.primary")
	b.wait(`location.search.includes("errors=1")`)
	b.is(fmt.Sprintf(`document.querySelectorAll("table.traces tbody tr").length === %d`, orders/7))
	b.click("table.traces tbody tr:first-child a")
	b.wait(`location.pathname === ` + quoted(tracePath(declined)))
	b.click(row(12) + " a")
	b.wait(`document.querySelector("#panel h2")`)
	b.is(`document.querySelector("#panel").innerText.includes("insufficient funds")`)
	b.do("type", chromedp.SendKeys(chromedp.CSS("#find"), "sqlite\r"))
	b.wait(`document.querySelector("#hits").innerText.includes("3 found")`)
	b.click(".tabs a:nth-child(2)")
	b.wait(`document.querySelector("table.logs")`)
	b.is(`document.querySelector("table.logs").innerText.includes("card declined")`)
	b.click("nav a[href='/map']")
	b.wait(`document.querySelector("#map .edge")`)
	if ran, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.querySelector(".folds:not([hidden])") !== null`)); err != nil || ran {
		t.Errorf("a script has run: %v, %v", ran, err)
	}
}
