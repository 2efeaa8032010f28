package middleware_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The code in docs/middleware.md is taken from the examples, which run.
func TestDocumentedCodeIsThatOfTheExamples(t *testing.T) {
	files, err := filepath.Glob("*/*_example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var examples strings.Builder
	for _, name := range append(files, "middleware_example_test.go") {
		examples.WriteString(unindented(t, name))
	}
	blocks := strings.Split(unindented(t, "../docs/middleware.md"), "\n```go\n")[1:]
	if len(blocks) < 5 {
		t.Fatalf("%d blocks of code, want more", len(blocks))
	}
	for _, block := range blocks {
		code, _, closed := strings.Cut(block, "```\n")
		if !closed || !strings.Contains(examples.String(), code) {
			t.Errorf("no example has:\n%s", code)
		}
	}
}

func unindented(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		b.WriteString(strings.TrimLeft(line, "\t"))
	}
	return b.String()
}
