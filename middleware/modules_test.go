package middleware_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNewServiceRequiresWhatIsDocumented makes a service that imports httpmw, and
// compares what its module comes to require with the list in the guide. Neither
// the SDK nor gRPC nor anything of the collector may be in it.
func TestNewServiceRequiresWhatIsDocumented(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	service := t.TempDir()
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.sum":  string(sums),
		"go.mod":  "module order\n\ngo 1.26.0\n\nrequire github.com/waybill-dev/waybill v0.0.0\n\nreplace github.com/waybill-dev/waybill => " + root + "\n",
		"main.go": "package main\n\nimport _ \"github.com/waybill-dev/waybill/middleware/httpmw\"\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(service, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	goCommand(t, service, "mod", "tidy")
	var required []string
	for line := range strings.Lines(goCommand(t, service, "mod", "graph")) {
		from, to, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name, _, _ := strings.Cut(to, "@"); from == "order" && name != "go" && name != "toolchain" {
			required = append(required, name)
		}
	}
	slices.Sort(required)
	guide, err := os.ReadFile("../docs/middleware.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(guide), "go mod graph | ")
	_, list, _ = strings.Cut(list, "\n")
	list, _, _ = strings.Cut(list, "\n```")
	if documented := strings.Fields(list); !slices.Equal(documented, required) {
		t.Errorf("a new service requires\n%s\nand the guide says\n%s", strings.Join(required, "\n"), strings.Join(documented, "\n"))
	}
	for _, name := range required {
		if strings.HasPrefix(name, "google.golang.org/grpc") || strings.Contains(name, "/otel/sdk") || strings.Contains(name, "nats") {
			t.Errorf("a new service requires %s", name)
		}
	}
}

func goCommand(t *testing.T, folder string, arguments ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", arguments...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOTOOLCHAIN=local")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(arguments, " "), err, stderr.String())
	}
	return string(out)
}
