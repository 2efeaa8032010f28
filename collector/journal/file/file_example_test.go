package file_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/file"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "journal")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cfg := file.DefaultConfig()
	cfg.Dir = dir
	j, err := file.Open(cfg, slog.Default())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = j.Close() }()

	ctx := context.Background()
	if _, err = j.Append(ctx, journal.Traces, 1, []byte("an encoded request")); err != nil {
		fmt.Println(err)
		return
	}
	r, err := j.Reader("forward")
	if err != nil {
		fmt.Println(err)
		return
	}
	records, err := r.Next(ctx, 1<<20)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, record := range records {
		fmt.Printf("%s at %d: %s\n", record.Signal, record.Offset, record.Payload)
		if err := r.Commit(record.Next); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output: traces at 0: an encoded request
}
