package topology

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// document is a topology's YAML that is being read. It collects all that is
// wrong, so that a person corrects it in one go.
type document struct {
	name string
	errs []error
}

// key is one key of a mapping with what to do with its value.
type key struct {
	name string
	read func(node *yaml.Node)
}

// maxErrors bounds how many errors a person is told at once.
const maxErrors = 20

func (d *document) fail(line int, format string, args ...any) {
	if len(d.errs) < maxErrors {
		d.errs = append(d.errs, fmt.Errorf("%s:%d: %s", d.name, line, fmt.Sprintf(format, args...)))
	}
}

func (d *document) err() error { return errors.Join(d.errs...) }

// mapping reads a mapping whose keys are known.
func (d *document) mapping(node *yaml.Node, what string, keys ...key) {
	known := make([]string, 0, len(keys))
	for _, k := range keys {
		known = append(known, k.name)
	}
	d.each(node, what, func(name string, line int, value *yaml.Node) {
		at := slices.Index(known, name)
		if at < 0 {
			d.fail(line, "%s: unknown key %q; known are %s", what, name, strings.Join(known, ", "))
			return
		}
		keys[at].read(value)
	})
}

// each visits the keys of a mapping in order. Those that it merges (<<) come
// first, unless it has them itself.
func (d *document) each(node *yaml.Node, what string, visit func(name string, line int, value *yaml.Node)) {
	node = follow(node)
	if node.Kind != yaml.MappingNode {
		d.fail(node.Line, "%s: want a mapping", what)
		return
	}
	own := map[string]bool{}
	for i := 0; i < len(node.Content); i += 2 {
		name := node.Content[i].Value
		if node.Content[i].Kind != yaml.ScalarNode || own[name] {
			d.fail(node.Content[i].Line, "%s: the key %q is there twice, or no plain key", what, name)
		}
		own[name] = true
	}
	d.merged(node, what, own, visit)
	for i := 0; i < len(node.Content); i += 2 {
		if k := node.Content[i]; k.Tag != "!!merge" {
			visit(k.Value, k.Line, follow(node.Content[i+1]))
		}
	}
}

func (d *document) merged(node *yaml.Node, what string, own map[string]bool, visit func(string, int, *yaml.Node)) {
	for i := 0; i < len(node.Content); i += 2 {
		if node.Content[i].Tag != "!!merge" {
			continue
		}
		d.each(node.Content[i+1], what, func(name string, line int, value *yaml.Node) {
			if !own[name] {
				own[name] = true
				visit(name, line, value)
			}
		})
	}
}

func (d *document) list(node *yaml.Node, what string, visit func(node *yaml.Node)) {
	node = follow(node)
	if node.Kind != yaml.SequenceNode {
		d.fail(node.Line, "%s: want a list", what)
		return
	}
	for _, element := range node.Content {
		visit(follow(element))
	}
}

func (d *document) text(node *yaml.Node, what string, into *string) {
	if node.Kind != yaml.ScalarNode || node.Value == "" {
		d.fail(node.Line, "%s: want a text", what)
		return
	}
	*into = node.Value
}

func (d *document) flag(node *yaml.Node, what string, into *bool) {
	if node.Tag != "!!bool" {
		d.fail(node.Line, "%s: want true or false", what)
		return
	}
	*into = node.Value == "true"
}

// number reads a number within bounds.
func (d *document) number(node *yaml.Node, what string, low, high float64, into *float64) {
	v, err := strconv.ParseFloat(node.Value, 64)
	if err != nil || node.Kind != yaml.ScalarNode || !(v >= low && v <= high) {
		d.fail(node.Line, "%s: %s: want a number from %v to %v", what, node.Value, low, high)
		return
	}
	*into = v
}

// count reads a whole number within bounds.
func (d *document) count(node *yaml.Node, what string, low, high int, into *int) {
	v, err := strconv.Atoi(node.Value)
	if err != nil || node.Kind != yaml.ScalarNode || v < low || v > high {
		d.fail(node.Line, "%s: %s: want a whole number from %d to %d", what, node.Value, low, high)
		return
	}
	*into = v
}

func (d *document) duration(node *yaml.Node, what string, into *float64) {
	v, err := time.ParseDuration(node.Value)
	if err != nil || node.Kind != yaml.ScalarNode || v < 0 || float64(v) > longest {
		d.fail(node.Line, "%s: %q: want a duration up to an hour, as in 20ms", what, node.Value)
		return
	}
	*into = float64(v)
}

// follow goes to what an alias stands for.
func follow(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}
