package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestLogFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "demo.log")
	const line = "0123456789\n"
	for range 2 { // A second start goes on with the file.
		log, err := openLog(path, 100)
		if err != nil {
			t.Fatal(err)
		}
		var writers sync.WaitGroup
		for range 4 {
			writers.Go(func() {
				for range 5 {
					if n, err := log.Write([]byte(line)); n != len(line) || err != nil {
						t.Errorf("Write: %d, %v", n, err)
					}
				}
			})
		}
		writers.Wait()
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// 40 lines, nine to a file: the fifth file has the last four.
	for name, lines := range map[string]int{path: 4, path + ".1": 9} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(text) != strings.Repeat(line, lines) {
			t.Errorf("%s has %q, want %d lines", name, text, lines)
		}
	}
}
