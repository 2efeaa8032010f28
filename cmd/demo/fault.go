package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/viewer"
)

// faultBoard is the page of the viewer on which the shop's faults are switched.
func faultBoard(flags *fault.Flags) viewer.Board {
	return viewer.Board{
		Title: "Faults",
		Intro: "What may go wrong in the shop. Switch something on, wait for a few orders, and look at their traces; several faults may be on at once.",
		List:  func(ctx context.Context) []viewer.Switch { return switches(ctx, flags) },
		Set:   func(_ context.Context, key string, on bool) error { return flags.Set(key, on) },
	}
}

func switches(ctx context.Context, flags *fault.Flags) []viewer.Switch {
	var all []viewer.Switch
	for _, f := range fault.All() {
		all = append(all, viewer.Switch{
			Key: f.Key, Group: f.Service, Title: f.Title, Text: f.Effect, On: flags.On(ctx, f.Key),
			See: "service=" + f.Service + "&lookback=5m",
		})
	}
	return all
}

// faultSwitch is where `demo fault` switches: a running demo, or a file.
type faultSwitch interface {
	list(ctx context.Context) ([]viewer.Switch, error)
	set(ctx context.Context, key string, on bool) error
}

// runFault lists the faults, or switches one.
func (c command) runFault(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("demo fault", flag.ContinueOnError)
	file := flags.String("file", c.env("FAULTS_FILE", ""), "the `file` of flags; without it a running demo is asked")
	base := flags.String("viewer", c.env("VIEWER_URL", "http://127.0.0.1:16686"), "the `URL` of the demo's viewer")
	var words []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		words, args = append(words, args[0]), args[1:]
	}
	if err := c.parse(flags, args); err != nil {
		return err
	}
	at, err := openFaults(*file, *base)
	if err != nil {
		return err
	}
	switch {
	case len(words) == 0:
		return c.listFaults(ctx, at)
	case len(words) == 2 && (words[0] == "on" || words[0] == "off"):
		if _, known := fault.Find(words[1]); !known {
			return usageError{fmt.Errorf("%q is no fault; `demo fault` lists them", words[1])}
		}
		return at.set(ctx, words[1], words[0] == "on")
	default:
		return usageError{errors.New("want nothing, on KEY or off KEY")}
	}
}

func openFaults(file, base string) (faultSwitch, error) {
	if file == "" {
		return remoteFaults(strings.TrimSuffix(base, "/") + "/api/board"), nil
	}
	flags, err := fault.Open(file, slog.New(slog.DiscardHandler))
	return localFaults{flags}, err
}

func (c command) listFaults(ctx context.Context, at faultSwitch) error {
	all, err := at.list(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, s := range all {
		state := "off"
		if s.On {
			state = "ON"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", s.Key, state, s.Group, s.Title)
	}
	return table.Flush()
}

// localFaults are a file's.
type localFaults struct{ flags *fault.Flags }

func (l localFaults) list(ctx context.Context) ([]viewer.Switch, error) {
	return switches(ctx, l.flags), nil
}

func (l localFaults) set(_ context.Context, key string, on bool) error { return l.flags.Set(key, on) }

// remoteFaults are a running demo's, at the URL of its viewer's board.
type remoteFaults string

func (r remoteFaults) list(ctx context.Context) (all []viewer.Switch, err error) {
	answer, err := r.ask(ctx, http.MethodGet, string(r), nil)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(answer, &all); err != nil {
		return nil, fmt.Errorf("read the faults of %s: %w", r, err)
	}
	return all, nil
}

func (r remoteFaults) set(ctx context.Context, key string, on bool) error {
	_, err := r.ask(ctx, http.MethodPut, string(r)+"/"+key, fmt.Appendf(nil, `{"on":%t}`, on))
	return err
}

func (r remoteFaults) ask(ctx context.Context, method, url string, body []byte) (answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body)) //nolint:gosec // who calls names the demo
	if err != nil {
		return nil, usageError{err}
	}
	response, err := http.DefaultClient.Do(request) //nolint:gosec // as above
	if err != nil {
		return nil, fmt.Errorf("ask the demo: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err == nil && response.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s answers %s: %s", url, response.Status, bytes.TrimSpace(answer))
	}
	return answer, err
}
