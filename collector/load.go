package collector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads a configuration file over the defaults and validates what comes
// out; the empty path means the defaults alone. Unknown keys, keys that come
// twice and bad values are errors that name the file and the line; all of them
// are reported at once. Environment variables, which getenv looks up, stand
// for values as described at docs/collector.md. No error holds a variable's
// value, or a header's.
//
// more has further top-level keys with pointers to structs whose fields have
// yaml tags; they hold their defaults, are decoded likewise, and are validated
// where they have a Validate method.
func Load(path string, getenv func(string) (string, bool), more map[string]any) (Config, error) {
	cfg := DefaultConfig()
	if path == "" {
		return cfg, nil
	}
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	sections := cfg.sections()
	maps.Copy(sections, more)
	d := document{name: path, getenv: getenv}
	if err := d.decode(data, sections); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// parse returns the file's root, nil where there is nothing in it.
func (d *document) parse(data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := decoder.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, d.syntax(err)
	}
	switch err := decoder.Decode(&second); {
	case err == nil:
		return nil, fmt.Errorf("%s:%d: a second document; want one", d.name, second.Line)
	case !errors.Is(err, io.EOF):
		return nil, d.syntax(err)
	}
	root := follow(doc.Content[0])
	if empty(root) {
		return nil, nil
	}
	return root, nil
}

// syntax gives the parser's error, "yaml: line 3: …", the form of the others.
// The parser leaves out the line when it is the first.
func (d *document) syntax(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.HasSuffix(text, "found character that cannot start any token") {
		text += " (is it a tab? YAML is indented by spaces)"
	}
	if line, reason, found := strings.Cut(strings.TrimPrefix(text, "line "), ": "); found {
		if _, err := strconv.Atoi(line); err == nil {
			return fmt.Errorf("%s:%s: %s", d.name, line, reason)
		}
	}
	return fmt.Errorf("%s:1: %s", d.name, text)
}
