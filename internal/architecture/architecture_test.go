package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/waybill-dev/waybill"

// pkg is what the go command tells about one package.
type pkg struct {
	ImportPath string
	Doc        string
	Standard   bool
	GoFiles    []string
	Imports    []string
	Deps       []string
	Module     *struct{ Path string }
}

// list asks the go command for the packages that the patterns name and, with
// deps, for everything that they link. Tests' imports are not part of it.
func list(t *testing.T, deps bool, patterns ...string) map[string]pkg {
	t.Helper()
	args := []string{"list", "-json=ImportPath,Doc,Standard,GoFiles,Imports,Deps,Module"}
	if deps {
		args = append(args, "-deps")
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, patterns...)...)
	cmd.Dir = "../.."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	found := map[string]pkg{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatalf("decode go list's output: %v", err)
		}
		found[p.ImportPath] = p
	}
}

// rule says what the packages of a folder may import of Waybill.
type rule struct {
	folder string
	may    []string
}

// within says whether an import path is the folder, or lies under it.
func within(path, folder string) bool {
	path, ours := strings.CutPrefix(path, module+"/")
	return ours && (path == folder || strings.HasPrefix(path, folder+"/"))
}

func TestImportDirections(t *testing.T) {
	// A package imports only what lies to its right on the path of a span,
	// never back. The first row that fits counts.
	rules := []rule{
		{"collector/journal", []string{"collector/journal"}},
		{"collector/wire", []string{"collector/wire"}},
		{"collector/silent", nil},
		{"collector/listen", []string{"collector/listen"}},
		{"collector/receive", []string{"collector/receive", "collector/listen", "collector/silent", "collector/journal", "collector/wire"}},
		{"collector/redact", []string{"collector/redact", "collector/journal", "collector/wire"}},
		// What is derived is sent by the clients that telemetry is forwarded by.
		{"collector/derive/push", []string{"collector/derive", "collector/export", "collector/silent"}},
		{"collector/derive", []string{"collector/derive", "collector/listen", "collector/silent", "collector/journal", "collector/wire"}},
		{"collector/sample", []string{"collector/sample", "collector/journal", "collector/wire"}},
		{"collector/export", []string{"collector/export", "collector/journal", "collector/wire"}},
		{"collector/admin", []string{"collector/admin", "collector/listen", "collector/silent", "collector/journal"}},
		{"collector", []string{"collector"}},
		{"viewer", []string{"viewer", "collector/listen", "collector/journal", "collector/wire"}},
		{"middleware", []string{"middleware"}},
		{"tracegen", []string{"tracegen"}},
		{"demo-services", []string{"demo-services", "middleware"}},
		{"dashboards", []string{"dashboards"}},
	}
	packages := list(t, false, "./...")
	paths := slices.Collect(maps.Keys(packages))
	for _, rule := range rules {
		if !slices.ContainsFunc(paths, func(path string) bool { return within(path, rule.folder) }) {
			t.Errorf("the rule for %s guards nothing: no such package", rule.folder)
		}
	}
	for path, p := range packages {
		at := slices.IndexFunc(rules, func(r rule) bool { return within(path, r.folder) })
		if at < 0 {
			continue
		}
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, module+"/") {
				continue
			}
			if !slices.ContainsFunc(rules[at].may, func(folder string) bool { return within(imported, folder) }) {
				t.Errorf("%s imports %s; %s may import only %v of ours", path, imported, rules[at].folder, rules[at].may)
			}
		}
	}
}

func TestMiddlewareLinksLittle(t *testing.T) {
	// What a service links when it imports the middleware: the OpenTelemetry
	// API and SDK, client_golang, and what those two need.
	base := []string{
		module,
		"github.com/beorn7/perks",
		"github.com/cespare/xxhash/v2",
		"github.com/go-logr/logr",
		"github.com/go-logr/stdr",
		"github.com/google/uuid",
		"github.com/munnerz/goautoneg",
		"github.com/prometheus/client_golang",
		"github.com/prometheus/client_model",
		"github.com/prometheus/common",
		"github.com/prometheus/procfs",
		"go.opentelemetry.io/auto/sdk",
		"go.opentelemetry.io/contrib/propagators/b3",
		"go.opentelemetry.io/otel",
		"go.opentelemetry.io/otel/log",
		"go.opentelemetry.io/otel/metric",
		"go.opentelemetry.io/otel/sdk",
		"go.opentelemetry.io/otel/trace",
		"golang.org/x/sys",
		"google.golang.org/protobuf",
	}
	withGRPC := []string{"golang.org/x/net", "golang.org/x/text", "google.golang.org/genproto/googleapis/rpc", "google.golang.org/grpc"}
	more := map[string][]string{
		"./middleware/grpcmw":            withGRPC,
		"./middleware/client/grpcclient": append(withGRPC, "github.com/sony/gobreaker/v2"),
		"./middleware/natsmw": {
			"github.com/klauspost/compress", "github.com/nats-io/nats.go", "github.com/nats-io/nkeys", "github.com/nats-io/nuid",
			"golang.org/x/crypto",
		},
		"./middleware/client": {"github.com/cenkalti/backoff/v5", "github.com/sony/gobreaker/v2"},
		"./middleware/sqlmw":  {"github.com/DataDog/go-sqllexer", "github.com/XSAM/otelsql"},
		// Setup also brings the metrics of OpenTelemetry's API into the registry, and
		// writes spans to the console.
		"./middleware": {
			"github.com/prometheus/otlptranslator", "go.opentelemetry.io/contrib/instrumentation/runtime",
			"go.opentelemetry.io/otel/exporters/prometheus", "go.opentelemetry.io/otel/exporters/stdout/stdouttrace",
			"go.opentelemetry.io/otel/sdk/metric",
		},
	}
	roots := []string{
		"./middleware", "./middleware/httpmw", "./middleware/grpcmw", "./middleware/natsmw", "./middleware/sqlmw",
		"./middleware/client", "./middleware/client/grpcclient",
	}
	for _, root := range roots {
		allowed := slices.Concat(base, more[root])
		for path, p := range list(t, true, root) {
			if p.Standard || p.Module == nil {
				continue
			}
			if !slices.Contains(allowed, p.Module.Path) {
				t.Errorf("%s links %s of module %s, which is not on its list", root, path, p.Module.Path)
			}
		}
	}
}

func TestInstrumentationDoesNotLinkTheSDK(t *testing.T) {
	for _, root := range []string{"./middleware/httpmw", "./middleware/grpcmw", "./middleware/natsmw", "./middleware/sqlmw", "./middleware/client", "./middleware/client/grpcclient"} {
		for path := range list(t, true, root) {
			if strings.HasPrefix(path, "go.opentelemetry.io/otel/sdk/") {
				t.Errorf("%s links %s; an application chooses its SDK", root, path)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for path, p := range list(t, false, "./...") {
		// protoc's plugins set a package's comment apart from its package.
		generated := func(file string) bool { return strings.HasSuffix(file, ".pb.go") }
		if p.Doc == "" && slices.ContainsFunc(p.GoFiles, func(file string) bool { return !generated(file) }) {
			t.Errorf("%s has no package comment", path)
		}
	}
}
