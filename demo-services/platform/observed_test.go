package platform

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestTheShopIsObservedByTheMiddlewareAlone reads the shop's code: it imports no
// instrumentation but middleware/, and makes no spans of calls, statements and
// messages by hand. OpenTelemetry's API is there for what only the shop knows:
// what a saga does.
func TestTheShopIsObservedByTheMiddlewareAlone(t *testing.T) {
	const root = ".."
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.HasSuffix(path, "test") {
			return filepath.SkipDir // what tests share
		}
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files++
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		for _, found := range byHand(file, filepath.ToSlash(name)) {
			t.Errorf("%s: %s", filepath.ToSlash(name), found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("%d files were read, the shop has more", files)
	}
}

// The rule finds what it is there for.
func TestInstrumentationByHandIsFound(t *testing.T) {
	for code, want := range map[string]string{
		`import _ "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"`:    "imports",
		`import _ "go.opentelemetry.io/otel/sdk/trace"`:                               "imports",
		`import _ "go.opentelemetry.io/otel"`:                                         "imports",
		`import _ "github.com/XSAM/otelsql"`:                                          "imports",
		`import _ "github.com/opentracing/opentracing-go"`:                            "imports",
		`var _ = trace.WithSpanKind(trace.SpanKindServer)`:                            "SpanKindServer",
		`var _ = attribute.String("db.query.text", "SELECT")`:                         "db.query.text",
		`var _, _ = sql.Open("sqlite", "")`:                                           "sql.Open",
		`var _ = http.Client{}`:                                                       "http.Client",
		`var _, _ = http.Get("http://psp")`:                                           "http.Get",
		`var _ = grpc.NewServer()`:                                                    "grpc.NewServer",
		`import _ "github.com/waybill-dev/waybill/middleware/httpmw"`:                 "",
		`var _ = attribute.String("shop.order.id", "o1")`:                             "",
		`import _ "go.opentelemetry.io/otel/trace"; var _ = trace.SpanKindInternal`:   "",
		`func _(t trace.Tracer) { _, _ = t.Start(context.Background(), "find out") }`: "",
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "", "package p; "+code, 0)
		if err != nil {
			t.Fatal(err)
		}
		found := byHand(file, "order/somewhere.go")
		if want == "" && len(found) > 0 || want != "" && (len(found) != 1 || !strings.Contains(found[0], want)) {
			t.Errorf("%s: found %q, want %q", code, found, want)
		}
	}
}

// api is what the shop may use of OpenTelemetry: what tells of its own work.
var api = []string{
	"go.opentelemetry.io/otel/attribute", "go.opentelemetry.io/otel/codes", "go.opentelemetry.io/otel/propagation",
	"go.opentelemetry.io/otel/trace", "go.opentelemetry.io/otel/trace/noop",
}

// conventional are the beginnings of the names that the middleware gives.
var conventional = []string{"db.", "http.", "messaging.", "rpc.", "url."}

// entrances are where calls begin and end that nobody would observe, and the
// places that see to it that somebody does, or that nobody has to.
var entrances = map[string][]string{
	"trace.SpanKindClient": {
		"notification/smtp.go", // there is no middleware for SMTP
	},
	"trace.SpanKindServer":   nil,
	"trace.SpanKindProducer": nil,
	"trace.SpanKindConsumer": nil,
	"sql.Open": {
		"platform/sqlite.go", // finds the driver, and opens nothing
	},
	"sql.OpenDB": {
		"platform/db.go",     // opens without telemetry what an audit reads
		"platform/sqlite.go", // migrates
	},
	"stdlib.OpenDB": {
		"platform/postgresql.go", // migrates
	},
	"http.Client": {
		"payment/provider.go", // goes through middleware/client
		"shopper/shopper.go",  // customers have no telemetry
	},
	"http.DefaultClient": nil,
	"http.Get":           nil,
	"http.Post":          nil,
	"http.Server": {
		"platform/host.go", // given what ServeHTTP observes
	},
	"grpc.NewClient": {
		"platform/hostgrpc.go", // with grpcmw
	},
	"grpc.NewServer": {
		"platform/hostgrpc.go",    // with grpcmw
		"mesh/control/control.go", // no order passes it
	},
}

// byHand are the places of a file where something is observed, or would have to
// be, in another way than by the middleware.
func byHand(file *ast.File, name string) (found []string) {
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if err != nil || forbidden(path) {
			found = append(found, "imports "+spec.Path.Value)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			if named(n) {
				found = append(found, "gives the name "+n.Value)
			}
		case *ast.SelectorExpr:
			of, is := n.X.(*ast.Ident)
			if !is {
				return true
			}
			use := of.Name + "." + n.Sel.Name
			if places, is := entrances[use]; is && !slices.Contains(places, name) {
				found = append(found, "uses "+use)
			}
		}
		return true
	})
	return found
}

// named says whether a text is an attribute's name of the conventions.
func named(literal *ast.BasicLit) bool {
	if literal.Kind != token.STRING {
		return false
	}
	text, err := strconv.Unquote(literal.Value)
	if err != nil || strings.ContainsAny(text, " /:") {
		return false
	}
	return slices.ContainsFunc(conventional, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
}

func forbidden(path string) bool {
	switch {
	case strings.HasPrefix(path, "github.com/waybill-dev/waybill/"):
		return false
	case strings.HasPrefix(path, "go.opentelemetry.io/"):
		return !slices.Contains(api, path)
	}
	for _, word := range []string{"otel", "opentracing", "opencensus", "jaeger", "zipkin", "dd-trace", "sqlhooks"} {
		if strings.Contains(path, word) {
			return true
		}
	}
	return false
}
