package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/file"
	"github.com/waybill-dev/waybill/tracegen/recording"
)

// sources says which recorded traces a command reads, and from where: files,
// directories of our journal, and addresses of Jaeger's query API.
type sources struct {
	query recording.Query
	limit int
}

func (s *sources) register(flags *flag.FlagSet) {
	flags.IntVar(&s.limit, "limit", 20_000, "read so many traces at most; 0 is no limit")
	flags.StringVar(&s.query.Service, "service", "", "ask a query API for the traces of this service only (default all)")
	flags.DurationVar(&s.query.Lookback, "lookback", 24*time.Hour, "ask a query API for so long back")
	flags.IntVar(&s.query.Limit, "query-limit", 1500, "ask a query API for so many traces of each service, at most")
}

// read reads all that is named, and says on errs what it has left out.
func (s *sources) read(ctx context.Context, named []string, errs io.Writer) (*recording.Recording, error) {
	if len(named) == 0 {
		return nil, errors.New("where are the traces? Want files, a journal's directory, or the URL of a viewer or of Jaeger")
	}
	r := recording.New(s.limit)
	for _, name := range named {
		if err := s.add(ctx, r, name); err != nil {
			return nil, err
		}
	}
	if len(r.Traces()) == 0 {
		return nil, errors.New("there are no traces")
	}
	if r.LeftOut > 0 {
		fmt.Fprintf(errs, "%d spans are left out: they are of more than %d traces, or have no ids\n", r.LeftOut, s.limit)
	}
	return r, nil
}

func (s *sources) add(ctx context.Context, r *recording.Recording, name string) error {
	if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		query := s.query
		query.URL = name
		return r.AddQuery(ctx, query)
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return addJournal(ctx, r, name)
	}
	return r.AddFile(name)
}

// atOnce is how much of a journal is read at once, in bytes.
const atOnce = 4 << 20

// addJournal adds the traces of a stopped collector's journal. It changes
// nothing in it.
func addJournal(ctx context.Context, r *recording.Recording, dir string) (err error) {
	if _, err := os.Stat(filepath.Join(dir, "lock")); err != nil {
		return fmt.Errorf("%s is no journal: %w", dir, err) // Open would begin one
	}
	cfg := file.DefaultConfig()
	cfg.Dir, cfg.Retain, cfg.MaxAge, cfg.MaxBytes = dir, true, 0, math.MaxInt64
	j, err := file.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return fmt.Errorf("journal %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	reader, err := j.Reader("")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	for next, end := j.Stats().Oldest, j.Stats().End; next < end; {
		records, err := reader.Next(ctx, atOnce)
		if err != nil {
			return err
		}
		for _, record := range records {
			next = record.Next
			if record.Signal != journal.Traces {
				continue
			}
			if err := r.Add(record.Payload); err != nil {
				return fmt.Errorf("journal %s: %w", dir, err)
			}
		}
	}
	return nil
}
