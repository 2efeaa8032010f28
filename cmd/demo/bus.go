package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// toolTimeout bounds what a command that looks into a running shop may take.
const toolTimeout = 30 * time.Second

// busTool is what `demo bus` is asked for.
type busTool struct {
	command
	letters *platform.DeadLetters
	limit   int
	all     bool
}

// runBus looks at the dead letters of a running shop, and has them delivered again.
func (c command) runBus(ctx context.Context, args []string) error {
	verb, args, err := verbOf("bus", args, "list", "show", "replay")
	if err != nil {
		return err
	}
	t := busTool{command: c}
	flags := flag.NewFlagSet("demo bus "+verb, flag.ContinueOnError)
	url := flags.String("nats", c.env("NATS_URL", order.DefaultConfig().NATSURL), "the `URL` of the NATS server; the demo prints its own")
	flags.IntVar(&t.limit, "limit", 50, "how many dead letters to list")
	flags.BoolVar(&t.all, "all", false, "replay all dead letters that there are now")
	numbers, err := c.parseWords(flags, args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, toolTimeout)
	defer cancel()
	seqs, err := t.sequences(verb, numbers)
	if err != nil {
		return err
	}
	if t.letters, err = platform.OpenDeadLetters(*url); err != nil {
		return err
	}
	defer t.letters.Close()
	switch verb {
	case "list":
		return t.list(ctx)
	case "show":
		return t.each(ctx, seqs, t.show)
	default:
		return t.each(ctx, seqs, t.replay)
	}
}

// sequences reads which letters are meant.
func (t busTool) sequences(verb string, words []string) ([]uint64, error) {
	switch {
	case verb == "list" && len(words) > 0:
		return nil, usageError{fmt.Errorf("%q is no flag", words[0])}
	case verb == "replay" && t.all != (len(words) == 0), verb == "show" && len(words) == 0:
		return nil, usageError{fmt.Errorf("bus %s takes the numbers of dead letters, as bus list shows them", verb)}
	}
	var seqs []uint64
	for _, word := range words {
		seq, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return nil, usageError{fmt.Errorf("%q is no number of a dead letter", word)}
		}
		seqs = append(seqs, seq)
	}
	return seqs, nil
}

func (t busTool) list(ctx context.Context) error {
	letters, err := t.letters.List(ctx, 0, t.limit)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NUMBER\tSINCE\tCONSUMER\tSUBJECT\tEVENT\tREASON")
	for _, l := range letters {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", l.Seq, l.At.Format(time.RFC3339), l.Consumer, l.Subject, eventID(l), l.Reason)
	}
	return table.Flush()
}

// eventID is the event's, or a dash if the message is none.
func eventID(l platform.DeadLetter) string {
	var e platform.Event
	if json.Unmarshal(l.Payload, &e) != nil || e.ID == "" {
		return "-"
	}
	return e.ID
}

// each does something with the letters, or with all that there are now.
func (t busTool) each(ctx context.Context, seqs []uint64, do func(context.Context, uint64) error) error {
	if t.all {
		letters, err := t.letters.List(ctx, 0, 1<<20)
		if err != nil {
			return err
		}
		for _, l := range letters {
			seqs = append(seqs, l.Seq)
		}
	}
	for _, seq := range seqs {
		if err := do(ctx, seq); err != nil {
			return err
		}
	}
	return nil
}

// show prints a letter: its headers, and the message, indented if it is JSON.
func (t busTool) show(ctx context.Context, seq uint64) error {
	l, err := t.letters.Get(ctx, seq)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.stdout, "dead letter %d, %s\n", l.Seq, l.At.Format(time.RFC3339Nano))
	for _, name := range slices.Sorted(maps.Keys(l.Headers)) {
		for _, value := range l.Headers[name] {
			fmt.Fprintf(t.stdout, "%s: %s\n", name, value)
		}
	}
	var body bytes.Buffer
	if json.Indent(&body, l.Payload, "", "  ") != nil {
		body.Reset()
		fmt.Fprintf(&body, "%q", l.Payload)
	}
	fmt.Fprintf(t.stdout, "\n%s\n", body.Bytes())
	return nil
}

func (t busTool) replay(ctx context.Context, seq uint64) error {
	if err := t.letters.Replay(ctx, seq); err != nil {
		return err
	}
	fmt.Fprintf(t.stdout, "dead letter %d is published again\n", seq)
	return nil
}
