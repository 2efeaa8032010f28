package collector

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The configuration reference is made of the code: keys and their order from
// Config's fields, values from DefaultConfig, texts from the fields' comments.

var update = flag.Bool("update", false, "write docs/collector-config.md anew")

const referenceFile = "../docs/collector-config.md"

const referenceHead = `# The collector's configuration

This page is made of the code, by ` + "`go generate ./collector`" + `. It is one YAML file with every key at its default; all of them may be left out.
A key that is marked with ⟳ takes effect [while the collector runs](collector.md#changes-while-it-runs), with all that is inside; others need a restart.

` + "```yaml\n"

func TestConfigurationReference(t *testing.T) {
	text := reference(t)
	if *update {
		if err := os.WriteFile(referenceFile, []byte(referenceHead+text+"```\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(referenceHead+text+"```\n", "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("docs/collector-config.md is not what the code says; go generate ./collector makes it anew:\n%s", diff)
	}
	cfg, err := Load(write(t, text), func(string) (string, bool) { return "", false }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(DefaultConfig(), cfg, cmpopts.EquateEmpty(), secrets()); diff != "" {
		t.Errorf("the page has not the defaults:\n%s", diff)
	}
}

func reference(t *testing.T) string {
	t.Helper()
	cfg := DefaultConfig()
	w := referenceWriter{t: t, packages: map[string]*source{}, explained: map[reflect.Type]bool{}}
	w.fields(reflect.ValueOf(cfg), "", "")
	return w.out.String()
}

// referenceWriter writes one YAML document.
type referenceWriter struct {
	t         *testing.T
	out       strings.Builder
	packages  map[string]*source // by directory
	explained map[reflect.Type]bool
}

// fields writes a struct's keys, each with its comment. Within a list that is
// empty by default, indent begins with "# ".
func (w *referenceWriter) fields(v reflect.Value, path, indent string) {
	src := w.source(v.Type())
	for i, f := range reflect.VisibleFields(v.Type()) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name == "" {
			continue
		}
		at := join(path, name)
		if path == "" && i > 0 {
			w.out.WriteByte('\n')
		}
		mark := ""
		if slices.Contains(live(), at) {
			mark = " ⟳"
		}
		w.comment(indent, src.comment(w.source(f.Type), v.Type(), f, name)+mark)
		w.value(v.FieldByIndex(f.Index), name, at, indent)
	}
}

func (w *referenceWriter) value(v reflect.Value, name, path, indent string) {
	t := v.Type()
	alone := t.Kind() == reflect.Slice && mayStandAlone(t)
	if alone && v.Len() == 1 {
		v, t = v.Index(0), t.Elem()
	}
	switch {
	case isSection(t) && !w.explained[t]:
		w.explained[t] = true
		fmt.Fprintf(&w.out, "%s%s:\n", indent, name)
		w.fields(v, path, indent+"  ")
	case isSection(t) && alone:
		fmt.Fprintf(&w.out, "%s%s: {}\n", indent, name) // Its default, with the keys that were explained above.
	default:
		fmt.Fprintf(&w.out, "%s%s: %s\n", indent, name, scalar(v, name))
	}
	if t.Kind() == reflect.Slice && isSection(t.Elem()) && v.Len() == 0 && !w.explained[t.Elem()] {
		w.explained[t.Elem()] = true
		fmt.Fprintf(&w.out, "%s# Each of them has:\n", indent)
		element := reflect.New(t.Elem())
		if defaults, ok := reflect.TypeAssert[interface{ SetDefaults() }](element); ok {
			defaults.SetDefaults()
		}
		w.fields(element.Elem(), path, indent+"#   ")
	}
}

func (w *referenceWriter) comment(indent, text string) {
	line := indent + "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+len(word) > 110 {
			w.out.WriteString(line + "\n")
			line = indent + "#"
		}
		line += " " + word
	}
	if line != indent+"#" {
		w.out.WriteString(line + "\n")
	}
}

// scalar writes what a file gives as one value. Structs that were explained
// above stand on one line, without those inside that are empty.
func scalar(v reflect.Value, name string) string {
	switch v.Kind() {
	case reflect.Struct:
		var parts []string
		for _, f := range reflect.VisibleFields(v.Type()) {
			empty := isSection(f.Type) && v.FieldByIndex(f.Index).IsZero()
			if key, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); key != "" && !empty {
				parts = append(parts, key+": "+scalar(v.FieldByIndex(f.Index), key))
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case reflect.Slice:
		var parts []string
		for i := range v.Len() {
			parts = append(parts, scalar(v.Index(i), name))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Map:
		return "{}"
	case reflect.String:
		return strconv.Quote(v.String())
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return regexp.MustCompile(`([hm])0[ms](0s)?$`).ReplaceAllString(x.String(), "$1")
	case fmt.Stringer:
		return strings.ToLower(x.String())
	}
	if n := v.Kind(); strings.HasSuffix(name, "_bytes") && (n == reflect.Int || n == reflect.Int64) && v.Int() > 0 && v.Int()%(1<<10) == 0 {
		if v.Int()%(1<<20) != 0 {
			return fmt.Sprintf("%dKiB", v.Int()>>10)
		}
		if mebibytes := v.Int() >> 20; mebibytes%1024 == 0 {
			return fmt.Sprintf("%dGiB", mebibytes/1024)
		}
		return fmt.Sprintf("%dMiB", v.Int()>>20)
	}
	return fmt.Sprint(v.Interface())
}

// source is what a package's files say about its types.
type source struct {
	types  map[string]string            // comments
	fields map[string]map[string]string // comments by type and field
	words  map[string]string            // what stands for names of the code: keys of several words, and constants
	enums  map[string][]string          // values of string constants by type
}

var noSource = &source{}

// source reads the package of a type that is ours.
func (w *referenceWriter) source(t reflect.Type) *source {
	folder, ours := strings.CutPrefix(t.PkgPath(), "github.com/waybill-dev/waybill/collector")
	if !ours {
		return noSource
	}
	dir := "." + folder
	if src, ok := w.packages[dir]; ok {
		return src
	}
	src := &source{map[string]string{}, map[string]map[string]string{}, map[string]string{}, map[string][]string{}}
	w.packages[dir] = src
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			if group, ok := decl.(*ast.GenDecl); ok {
				for _, spec := range group.Specs {
					src.take(group, spec)
				}
			}
		}
	}
	return src
}

func (s *source) take(group *ast.GenDecl, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		s.types[spec.Name.Name] = group.Doc.Text()
		body, ok := spec.Type.(*ast.StructType)
		if !ok {
			return
		}
		s.fields[spec.Name.Name] = map[string]string{}
		for _, f := range body.Fields.List {
			for _, name := range f.Names {
				s.fields[spec.Name.Name][name.Name] = f.Doc.Text()
				if key := yamlKey(f.Tag); strings.Contains(key, "_") {
					s.words[name.Name] = key
				}
			}
		}
	case *ast.ValueSpec:
		for i, value := range spec.Values {
			literal, ok := value.(*ast.BasicLit)
			if !ok || literal.Kind != token.STRING || group.Tok != token.CONST {
				continue
			}
			text, err := strconv.Unquote(literal.Value)
			if err != nil {
				continue
			}
			if !spec.Names[i].IsExported() {
				continue
			}
			s.words[spec.Names[i].Name] = text
			if kind, ok := spec.Type.(*ast.Ident); ok {
				s.enums[kind.Name] = append(s.enums[kind.Name], text)
			}
		}
	}
}

func yamlKey(tag *ast.BasicLit) string {
	if tag == nil {
		return ""
	}
	key, _, _ := strings.Cut(reflect.StructTag(strings.Trim(tag.Value, "`")).Get("yaml"), ",")
	return key
}

// comment is that of a field, or of its type, in the words of the file: keys
// and values instead of the code's names.
func (s *source) comment(ofType *source, t reflect.Type, f reflect.StructField, key string) string {
	text := strings.TrimPrefix(s.fields[t.Name()][f.Name], f.Name)
	if text == "" {
		text = strings.TrimPrefix(ofType.types[f.Type.Name()], f.Type.Name())
	}
	if text == "" {
		return ""
	}
	text = regexp.MustCompile(`[A-Za-z]+`).ReplaceAllStringFunc(key+text, func(word string) string {
		if instead, ok := s.words[word]; ok {
			return instead
		}
		return word
	})
	values := ofType.enums[f.Type.Name()]
	if slices.ContainsFunc(values, func(value string) bool { return !strings.Contains(text, value) }) {
		text += " One of " + strings.Join(values, ", ") + "."
	}
	return text
}
