package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/waybill-dev/waybill/tracegen"
	"github.com/waybill-dev/waybill/tracegen/page"
	"github.com/waybill-dev/waybill/tracegen/verify"
)

// sending is what the flags of a command that sends say.
type sending struct {
	cfg        tracegen.Config
	quiet      bool
	report     string
	html       string
	metrics    string
	thresholds []tracegen.Threshold
	verify     verify.Config // an empty URL asks nobody
}

// send is the command run.
func send(ctx context.Context, args []string, out, errs io.Writer) error {
	s, err := parseSending(args, errs)
	if err != nil {
		return err
	}
	return s.run(ctx, out, errs)
}

// run sends, and reports.
func (s sending) run(ctx context.Context, out, errs io.Writer) error {
	if s.metrics != "" {
		server, err := serveMetrics(ctx, s.metrics)
		if err != nil {
			return err
		}
		defer server.close()
		s.cfg.Registerer = server.registry
		fmt.Fprintf(errs, "metrics  http://%s/metrics\n", server.listener.Addr())
	}
	progress := newProgress(errs, s.cfg)
	tell := progress.tell
	if s.quiet {
		tell = nil
	}
	report, err := tracegen.Run(ctx, s.cfg, tell)
	progress.end()
	if err != nil {
		return err
	}
	return s.finish(ctx, report, out, errs)
}

// finish writes the report where it is wanted, and judges it. A run that was
// interrupted is verified, too: what it has sent is known.
func (s sending) finish(ctx context.Context, report tracegen.Report, out, errs io.Writer) error {
	if err := report.WriteTable(out); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	fmt.Fprintf(out, "seed %d\n", s.cfg.Seed)
	record, err := tracegen.NewRecord(s.cfg, report)
	if err != nil {
		return err
	}
	if s.report != "" {
		if err := writeFile(s.report, record.WriteJSON); err != nil {
			return err
		}
	}
	good := s.judge(report, errs)
	var verified *verify.Result
	if s.verify.URL != "" {
		result, err := askFor(context.WithoutCancel(ctx), s.verify, record, out)
		if err != nil {
			return errors.Join(err, s.writePage(record, nil))
		}
		good, verified = good && result.Good(), &result
	}
	if err := s.writePage(record, verified); err != nil {
		return err
	}
	if !good {
		return errBad
	}
	return nil
}

// writePage writes the report as HTML, where it is wanted.
func (s sending) writePage(record tracegen.Record, verified *verify.Result) error {
	if s.html == "" {
		return nil
	}
	return writeFile(s.html, func(w io.Writer) error { return page.Write(w, record, verified) })
}

// judge says whether the thresholds hold; where there are none, whether all
// was acknowledged.
func (s sending) judge(report tracegen.Report, errs io.Writer) bool {
	if s.thresholds == nil {
		return report.Complete()
	}
	good := true
	for _, t := range s.thresholds {
		if t.Broken(report) {
			fmt.Fprintln(errs, "tracegen: failed,", t.Describe(report))
			good = false
		}
	}
	return good
}
