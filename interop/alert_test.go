package interop

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/waybill-dev/waybill/interop/backend"
)

// alerts is the path of one of the files about alerts.
func alerts(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "dashboards", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAlerts has Prometheus's own tool check the alerts, and each of them fire when
// it should, and not when it shouldn't, over hours that take no time.
func TestAlerts(t *testing.T) {
	promtool := built(t, backend.Promtool())
	for _, args := range [][]string{
		{"check", "rules", "--lint=all", "--lint-fatal", alerts(t, "alerts.yml")},
		{"test", "rules", alerts(t, "alerts_test.yml")},
	} {
		if out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// rule is one alert as Prometheus has it.
type rule struct {
	Name, Query, Health, LastError, State string
}

// checkAlerts finds every alert evaluated, and none of them on after orders that
// have gone well; and every series that they ask for, but the one that only a dead
// letter begins.
func checkAlerts(t *testing.T, p prometheus) {
	var loaded []rule
	eventually(t, "all alerts are evaluated", func() error {
		var got answer[struct {
			Groups []struct{ Rules []rule }
		}]
		if err := getJSON(t, string(p)+"/api/v1/rules?type=alert", &got); err != nil {
			return err
		}
		loaded = nil
		for _, group := range got.Data.Groups {
			loaded = append(loaded, group.Rules...)
		}
		for _, r := range loaded {
			if r.Health != "ok" || r.State != "inactive" {
				return fmt.Errorf("%s is %s (%s), and its state %s", r.Name, r.Health, r.LastError, r.State)
			}
		}
		if len(loaded) == 0 {
			return errors.New("there are none")
		}
		return nil
	})
	for _, r := range loaded {
		for _, series := range regexp.MustCompile(`shop_\w+`).FindAllString(r.Query, -1) {
			if series == "shop_dead_letters_total" {
				continue
			}
			eventually(t, r.Name+" has "+series, func() error {
				samples, err := p.query(t, series)
				if err == nil && len(samples) == 0 {
					err = errors.New("no series")
				}
				return err
			})
		}
	}
}
