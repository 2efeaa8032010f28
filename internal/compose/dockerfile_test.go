package compose

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instructions are the Dockerfile's, with continued lines put together.
func instructions(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	joined := strings.ReplaceAll(string(content), "\\\n", " ")
	var all []string
	for line := range strings.Lines(joined) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

func TestTheImageHoldsNothingElse(t *testing.T) {
	all := instructions(t)
	last := -1
	for i, line := range all {
		if strings.HasPrefix(line, "FROM ") {
			last = i
		}
	}
	if last < 0 || all[last] != "FROM scratch" {
		t.Fatalf("the image is not made from scratch: %v", all)
	}
	image := all[last:]
	for _, want := range []string{
		"COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/",
		"COPY --from=build /out/ /",
		"COPY --from=build --chown=65532:65532 /empty /data",
		"USER 65532:65532",
	} {
		if !slices.Contains(image, want) {
			t.Errorf("the image lacks %q", want)
		}
	}
}

func TestTheBuildIsPinnedAndStatic(t *testing.T) {
	var toolchain, build string
	for _, line := range instructions(t) {
		if strings.HasPrefix(line, "FROM ") && toolchain == "" {
			toolchain = line
		}
		if strings.Contains(line, "go build") {
			build = line
		}
	}
	pinned := regexp.MustCompile(`golang:\d+\.\d+\.\d+-alpine AS build$`)
	if !pinned.MatchString(toolchain) {
		t.Errorf("the toolchain is not pinned: %s", toolchain)
	}
	for _, want := range []string{"CGO_ENABLED=0", "-trimpath", "./cmd/..."} {
		if !strings.Contains(build, want) {
			t.Errorf("the build lacks %s: %s", want, build)
		}
	}
}

// TestTheBuilderGetsWhatIsBuilt compares .dockerignore, which lets folders in
// by name, with the folders that the commands are made from.
func TestTheBuilderGetsWhatIsBuilt(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(content), "\n")
	if !slices.Contains(lines, "*") {
		t.Fatal("everything is let in")
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./cmd/...")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	needs := map[string]bool{"go.mod": true, "go.sum": true}
	for path := range strings.FieldsSeq(string(out)) {
		if rest, own := strings.CutPrefix(path, "github.com/waybill-dev/waybill/"); own {
			folder, _, _ := strings.Cut(rest, "/")
			needs[folder] = true
		}
	}
	if !needs["cmd"] || !needs["collector"] {
		t.Fatalf("the commands are made from %v", needs)
	}
	for need := range needs {
		if !slices.Contains(lines, "!"+need) {
			t.Errorf("%s does not reach the builder", need)
		}
	}
}
