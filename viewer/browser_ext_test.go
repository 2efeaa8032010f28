package viewer_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// patience is how long one thing in the browser may take on a busy machine.
const patience = 60 * time.Second

// findChromium is docs/decisions/005: in CI a missing browser is a failure, at
// a desk the test says what to install and stands aside.
func findChromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const missing = "no Chromium is installed, which this test drives; Debian has it: apt-get install chromium"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// browser is a running Chromium.
type browser struct{ ctx context.Context }

// startBrowser runs a headless Chromium until the test ends, with a profile of
// its own. It reaches nothing but the loopback address. Containers run tests
// as root, and there Chromium's sandbox does not start.
func startBrowser(t *testing.T) browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(findChromium(t)),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
		chromedp.Flag("disable-component-update", true),
		chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(patience),
		chromedp.WindowSize(1440, 900),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeFirst := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("close the browser: %v", err)
		}
		closeFirst()
		stop()
	})
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return browser{ctx}
}

// tab is one tab. What its pages say on the console as errors, exceptions and
// breaches of the security policy among them, fails the test.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string
}

const lastWords = "the test is over"

// tab opens a tab whose paths are below base.
func (br browser) tab(t *testing.T, base string) *tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(br.ctx)
	b := &tab{t, ctx, base}
	messages := chromedp.Console(ctx)
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for m, err := range messages {
			switch {
			case err != nil:
				t.Errorf("console: %v", err)
				return
			case m.Text == lastWords:
				return
			case m.Type == chromedp.ConsoleError || m.IsException():
				t.Errorf("the browser's console at %s: %s", m.URL, m)
			}
		}
	}()
	t.Cleanup(func() {
		b.do("say the last words", chromedp.Evaluate[chromedp.Void](`console.debug("`+lastWords+`")`))
		select {
		case <-heard:
		case <-time.After(patience):
			t.Error("the console does not end")
		}
		closeTab()
		<-heard
	})
	return b
}

// do runs steps that must succeed.
func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Errorf("%s: %v", what, err)
	}
}

// open loads a page.
func (b *tab) open(path string) {
	b.t.Helper()
	b.do("open "+path, chromedp.Navigate(b.base+path))
}

// click clicks the first element that fits as a person would, in its middle.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do("click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// wait waits until the page's expression is true. The page may be replaced
// meanwhile.
func (b *tab) wait(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.readyState === "complete" && !!(`+expression+`)`))
		if is {
			return
		}
		last = errors.Join(err, chromedp.Do(ctx, chromedp.Sleep(20*time.Millisecond)))
	}
	where, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText.slice(0, 2000)`))
	b.t.Fatalf("this does not become true: %s\n%v\nthe page is %s %v", expression, last, where, err)
}

// is asks the page for a truth that must hold now.
func (b *tab) is(expression string) {
	b.t.Helper()
	if !ask[bool](b, `!!(`+expression+`)`) {
		b.t.Errorf("not so: %s", expression)
	}
}

// ask evaluates an expression in the page.
func ask[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Errorf("%s: %v", expression, err)
	}
	return v
}

// count counts elements.
func (b *tab) count(selector string) int {
	b.t.Helper()
	return ask[int](b, `document.querySelectorAll("`+selector+`").length`)
}

// scriptless forbids pages to run scripts from now on.
func (b *tab) scriptless() {
	b.do("forbid scripts", chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		return target.Call(ctx, "Emulation.setScriptExecutionDisabled", map[string]bool{"value": true}, nil)
	}))
}

// quoted writes a text as JavaScript.
func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
