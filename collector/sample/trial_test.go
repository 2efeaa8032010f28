package sample

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/collector/journal"
)

func TestTry(t *testing.T) {
	j := memories()
	empty, err := Try(t.Context(), quick(), j.In)
	if err != nil || empty.Traces != 0 {
		t.Errorf("an empty journal: %+v, %v", empty, err)
	}
	j.receive(t, spanOf(1, 0, failed), spanOf(1, 1, child), spanOf(2, 0, with("tier", "gold")))
	bank := request(t, "bank", spanOf(1, 2, child), spanOf(3, 0))
	if _, err := j.In.Append(t.Context(), journal.Traces, 2, bank); err != nil {
		t.Fatal(err)
	}
	cfg := tailOf(Policy{Type: Error}, Policy{Name: "gold", Type: Attribute, Key: "tier"}, Policy{Type: SpanCount, MinSpans: 1})
	for keep, want := range map[int][2]int{2: {2, 4}, 3: {3, 5}} {
		cfg := cfg
		cfg.Tail.Policies = cfg.Tail.Policies[:keep]
		report, err := Try(t.Context(), cfg, j.In)
		if err != nil {
			t.Fatal(err)
		}
		shop, bank := report.Services["shop"], report.Services["bank"]
		if report.Traces != 3 || report.KeptTraces != want[0] || shop.Kept.Spans+bank.Kept.Spans != want[1] {
			t.Errorf("%+v: %+v, %+v", report, shop, bank)
		}
		if shop.Received.Spans != 3 || bank.Received.Spans != 2 || shop.Policies[0].Spans != 2 || bank.Policies[0].Spans != 1 || shop.Policies[1].Spans != 1 || bank.Policies[1].Spans != 0 {
			t.Errorf("%+v, %+v", shop, bank)
		}
		var table strings.Builder
		if err := report.WriteTable(&table); err != nil || !strings.HasPrefix(table.String(), fmt.Sprintf("%d of 3 traces are kept", want[0])) {
			t.Errorf("%s, %v", &table, err)
		}
	}
}

// TestTryHead counts what head sampling keeps for itself, and no policy's
// column goes by it.
func TestTryHead(t *testing.T) {
	j := memories()
	j.receive(t, spanOf(1, 0, failed, random(80)), spanOf(2, 0, failed, random(20)), spanOf(3, 0, random(80)))
	cfg := headOf(50)
	for _, c := range []struct {
		policies     []Policy
		kept, traces int
		columns      string
	}{
		{nil, 2, 2, "service received kept head"},
		{[]Policy{{Type: Error}}, 1, 1, "service received kept head error"},
	} {
		cfg.Tail.Policies = c.policies
		report, err := Try(t.Context(), cfg, j.In)
		if err != nil {
			t.Fatal(err)
		}
		shop := report.Services["shop"]
		if report.Traces != 3 || report.KeptTraces != c.traces || shop.Kept.Spans != c.kept || shop.Head.Spans != 2 {
			t.Errorf("%+v: %+v", report, shop)
		}
		if len(c.policies) > 0 && shop.Policies[0].Spans != 2 {
			t.Errorf("the policy alone keeps %+v", shop.Policies[0])
		}
		var table strings.Builder
		if err := report.WriteTable(&table); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(table.String(), "\n")
		if got := strings.Join(strings.Fields(lines[2]), " "); got != c.columns {
			t.Errorf("columns %q; want %q", got, c.columns)
		}
	}
}
