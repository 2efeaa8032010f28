package middleware_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// The tests that docs/middleware.md names are there.
func TestDocumentedTestsAreThere(t *testing.T) {
	guide, err := os.ReadFile("../docs/middleware.md")
	if err != nil {
		t.Fatal(err)
	}
	folders := map[string]string{"middleware": ".", "instrument": "internal/instrument", "httpmw": "httpmw", "grpcmw": "grpcmw", "natsmw": "natsmw"}
	named := regexp.MustCompile("`([a-z]+)\\.(Test\\w+)`").FindAllStringSubmatch(string(guide), -1)
	if len(named) < 13 {
		t.Fatalf("%d tests are named, want more", len(named))
	}
	for _, name := range named {
		files, err := filepath.Glob(filepath.Join(folders[name[1]], "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no tests of %s: %v", name[1], err)
		}
		if !slices.ContainsFunc(files, func(file string) bool { return strings.Contains(unindented(t, file), "func "+name[2]+"(") }) {
			t.Errorf("there is no %s in %s", name[2], name[1])
		}
	}
}
