package tracegen

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// tree writes a trace down, each span below its parent, in the order of time:
// "service: name (kind)", and ERROR where there was one.
func tree(spans []placed) string {
	slices.SortStableFunc(spans, func(a, b placed) int { return int(a.GetStartTimeUnixNano()) - int(b.GetStartTimeUnixNano()) })
	var out strings.Builder
	var below func(parent string, depth int)
	below = func(parent string, depth int) {
		for _, s := range spans {
			if string(s.GetParentSpanId()) != parent {
				continue
			}
			kind := strings.ToLower(strings.TrimPrefix(s.GetKind().String(), "SPAN_KIND_"))
			fmt.Fprintf(&out, "%s%s: %s (%s)", strings.Repeat("  ", depth), s.service, s.GetName(), kind)
			if s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
				out.WriteString(" ERROR")
			}
			out.WriteByte('\n')
			below(string(s.GetSpanId()), depth+1)
		}
	}
	below("", 0)
	return out.String()
}

// one makes a trace of one kind.
func one(t *testing.T, p *program, kind string) []placed {
	t.Helper()
	at := slices.IndexFunc(p.scenarios, func(s scenario) bool { return s.name == kind })
	if at < 0 {
		t.Fatalf("there is no trace %q", kind)
	}
	only := *p
	only.scenarios = []scenario{{kind, 1, p.scenarios[at].root}}
	for _, spans := range decode(t, newEncoder(&only).encode(1, order{n: 1}, time.Now()).request) {
		return spans
	}
	t.Fatal("no trace was made")
	return nil
}

// demoTrees are the trees that cmd/demo's own test waits for: its constants of
// that name, read from its source, so that shop and demo cannot part.
func demoTrees(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../cmd/demo/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	trees := map[string]string{}
	for _, file := range files {
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(source, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 || !strings.HasSuffix(spec.Names[0].Name, "Order") {
				return true
			}
			if text, ok := spec.Values[0].(*ast.BasicLit); ok && text.Kind == token.STRING {
				value, err := strconv.Unquote(text.Value)
				if err != nil {
					t.Fatal(err)
				}
				trees[spec.Names[0].Name] = strings.TrimPrefix(value, "\n")
			}
			return true
		})
	}
	return trees
}

// The built-in shop sends what the demo's services send.
func TestShopIsTheDemos(t *testing.T) {
	p, trees := shop(t), demoTrees(t)
	for kind, constant := range map[string]string{"confirmed": "confirmedOrder", "declined": "declinedOrder", "out of stock": "soldOutOrder"} {
		want, ok := trees[constant]
		if !ok {
			t.Errorf("the test of cmd/demo has no constant %s any more", constant)
			continue
		}
		if diff := cmp.Diff(want, tree(one(t, p, kind))); diff != "" {
			t.Errorf("%s (-demo +tracegen):\n%s", kind, diff)
		}
	}
}

// What goes wrong in the shop looks like it.
func TestWhatGoesWrong(t *testing.T) {
	p := shop(t)
	count := func(spans []placed, service, name string) (n, failed int, took time.Duration) {
		for _, s := range spans {
			if s.service == service && s.GetName() == name {
				n++
				took += time.Duration(s.GetEndTimeUnixNano() - s.GetStartTimeUnixNano())
				if s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
					failed++
				}
			}
		}
		return n, failed, took
	}
	for _, want := range []struct {
		kind, service, name string
		n, failed           int
	}{
		{"retry storm", "payment", "POST", 5, 4}, // and the refund
		{"retry storm", "psp", "POST /charges", 4, 4},
		{"provider outage", "psp", "POST /charges", 1, 1},
		{"provider outage", "gateway", "POST /api/v1/orders", 1, 1},
		{"open breaker", "psp", "POST /charges", 0, 0},
		{"open breaker", "payment", "shop.payment.v1.PaymentService/Charge", 1, 1},
		{"lost message", "order", "publish orders.confirmed", 1, 0},
		{"lost message", "notification", "process orders.confirmed", 0, 0},
		{"looked at", "order", "shop.order.v1.OrderService/GetOrder", 1, 0},
	} {
		if n, failed, _ := count(one(t, p, want.kind), want.service, want.name); n != want.n || failed != want.failed {
			t.Errorf("%s: %d spans %s of %s, %d failed; want %d, %d failed", want.kind, n, want.name, want.service, failed, want.n, want.failed)
		}
	}
	_, _, slow := count(one(t, p, "slow database"), "order", "INSERT events")
	_, _, usual := count(one(t, p, "confirmed"), "order", "INSERT events")
	if slow < 100*usual {
		t.Errorf("a slow database takes %v, a usual one %v", slow, usual)
	}
}
