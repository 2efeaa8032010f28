package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/demo-services/audit"
)

// auditTool is what `demo audit` is asked for.
type auditTool struct {
	command
	// places are directories, or a PostgreSQL database.
	places []string
	nats   string
	wait   time.Duration
}

// errUnbalanced ends an audit that has found something.
var errUnbalanced = errors.New("the books do not balance")

// runAudit compares the databases of the shop's services with each other.
func (c command) runAudit(ctx context.Context, args []string) error {
	a := auditTool{command: c}
	flags := flag.NewFlagSet("demo audit", flag.ContinueOnError)
	flags.Func("data", "the `directory` of the demo, or of databases; may be repeated (default the working directory)", func(dir string) error {
		a.places = append(a.places, dir, filepath.Join(dir, "shop"))
		return nil
	})
	flags.StringVar(&a.nats, "nats", c.env("NATS_URL", ""), "the `URL` of the NATS server, to look at the events and dead letters, too; the demo prints its own")
	flags.DurationVar(&a.wait, "wait", 30*time.Second, "how long to wait for what is under way")
	if err := c.parse(flags, args); err != nil {
		return err
	}
	if database := c.env("DATABASE_URL", ""); database != "" && len(a.places) == 0 {
		a.places = strings.Fields(database)
	}
	if len(a.places) == 0 {
		a.places = []string{"."}
	}
	report, err := a.settled(ctx)
	if err != nil {
		return err
	}
	a.print(report)
	if len(report.Findings) > 0 {
		return fmt.Errorf("%w: %d findings", errUnbalanced, len(report.Findings))
	}
	return nil
}

// settled audits until nothing is under way and nothing found, or time is up:
// each service is read at a moment of its own.
func (a auditTool) settled(ctx context.Context) (*audit.Report, error) {
	for deadline := time.Now().Add(a.wait); ; {
		report, err := a.once(ctx)
		if err != nil || report.Settled() && len(report.Findings) == 0 || time.Now().After(deadline) {
			return report, err
		}
		select {
		case <-ctx.Done():
			return report, nil
		case <-time.After(min(time.Second, a.wait)):
		}
	}
}

func (a auditTool) once(ctx context.Context) (*audit.Report, error) {
	books, err := audit.Read(ctx, a.places...)
	if err != nil {
		return nil, err
	}
	if a.nats != "" {
		if err := books.ReadBus(ctx, a.nats); err != nil {
			return nil, err
		}
	}
	return books.Check(), nil
}

// print writes the report down, and what was found.
func (a auditTool) print(r *audit.Report) {
	var steps []string
	for _, step := range slices.Sorted(maps.Keys(r.ByStep)) {
		steps = append(steps, fmt.Sprintf("%d %s", r.ByStep[step], strings.ToLower(string(step))))
	}
	fmt.Fprintf(a.stdout, "%-10s %d: %s\n", "orders", r.Orders, strings.Join(steps, ", "))
	for _, currency := range slices.Sorted(maps.Keys(r.Captured)) {
		amount := r.Captured[currency]
		fmt.Fprintf(a.stdout, "%-10s %d.%02d %s are with psp\n", "money", amount/100, amount%100, currency)
	}
	fmt.Fprintf(a.stdout, "%-10s %d pieces are sold\n", "stock", r.Sold)
	fmt.Fprintf(a.stdout, "%-10s %d sent, %d dead letters\n", "messages", r.Messages, r.Letters)
	fmt.Fprintf(a.stdout, "%-10s %d orders, %d of them parked, %d events, %d messages\n", "under way", r.UnderWay, r.Parked, r.Waiting, r.Queued)
	for _, f := range r.Findings {
		fmt.Fprintf(a.stdout, "%-10s %s: %s\n", "FOUND", f.About, f.What)
	}
	if len(r.Findings) == 0 {
		fmt.Fprintln(a.stdout, "the books balance")
	}
}
