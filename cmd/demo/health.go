package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// runHealth asks a URL whether it answers 200, for images that have no shell.
func (c command) runHealth(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return usageError{fmt.Errorf("health takes one URL, not %d", len(args))}
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, args[0], http.NoBody) //nolint:gosec // who calls says what to ask
	if err != nil {
		return usageError{err}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request) //nolint:gosec // see above
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", args[0], response.Status)
	}
	return nil
}
