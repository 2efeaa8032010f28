package main

import (
	"fmt"
	"io"
	"os"
)

// writeFile has a file written. What is there is replaced.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path) //nolint:gosec // whoever runs the command names the file
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		_ = file.Close() // the error that counts is the first
		return fmt.Errorf("write %s: %w", path, err)
	}
	return file.Close()
}
