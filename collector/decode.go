package collector

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is a configuration file that is being decoded. It collects all that
// is wrong, so that a person corrects it in one go.
type document struct {
	name   string
	getenv func(string) (string, bool)
	errs   []error
	// wrong are the keys that errs are about.
	wrong []string
	// places are what the section that is being decoded gives, in order.
	places []place
}

// place is where the file gives a value, or an element of a list or map.
type place struct {
	line int
	path string
}

func (d *document) mark(line int, path string) { d.places = append(d.places, place{line, path}) }

func (d *document) fail(line int, path, format string, args ...any) {
	d.errs = append(d.errs, fmt.Errorf("%s:%d: %s: %s", d.name, line, path, fmt.Sprintf(format, args...)))
	d.wrong = append(d.wrong, path[strings.LastIndexByte(path, '.')+1:])
}

// decode reads YAML into sections, pointers to structs by top-level key.
func (d *document) decode(data []byte, sections map[string]any) error {
	root, err := d.parse(data)
	if err != nil || root == nil {
		return err
	}
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: want the keys %s", d.name, root.Line, names(sections))
	}
	d.entries(root, "", func(key, node *yaml.Node) bool {
		section, ok := sections[key.Value]
		if ok {
			d.section(node, key.Value, reflect.ValueOf(section).Elem())
		}
		return ok
	}, slices.Sorted(maps.Keys(sections)))
	return errors.Join(d.errs...)
}

// section decodes one section over its defaults and validates it. What could
// not be decoded is still at its default there: errors of Validate that mention
// it, or a key that the file does not have, may be of no more than that.
func (d *document) section(node *yaml.Node, key string, target reflect.Value) {
	d.places, d.wrong = nil, nil
	d.mapping(node, target, key)
	section, ok := reflect.TypeAssert[interface{ Validate() error }](target.Addr())
	if !ok {
		return
	}
	undecoded := d.wrong
	for _, err := range split(section.Validate()) {
		reason := err.Error()
		about, _, _ := strings.Cut(reason, ": ")
		_, given := d.at(join(key, about))
		mentioned := slices.ContainsFunc(undecoded, func(wrong string) bool { return strings.Contains(reason, wrong) })
		if len(undecoded) == 0 || given && !mentioned {
			d.blame(node.Line, key, reason)
		}
	}
}

// split returns the errors that errors.Join has joined.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, err := range joined.Unwrap() {
			all = append(all, split(err)...)
		}
		return all
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// blame reports an error of a section's Validate, which begins with the key
// that it is about. Where the file does not have that key, the element that
// should have it is to blame; otherwise a key that the error mentions: it does
// not go with the other's default.
func (d *document) blame(line int, section, reason string) {
	key, rest, _ := strings.Cut(reason, ": ")
	if at, found := d.at(join(section, key)); found {
		d.fail(at.line, at.path, "%s", rest)
		return
	}
	for inside := key; strings.Contains(inside, "."); {
		inside = inside[:strings.LastIndexByte(inside, '.')]
		if at, found := d.at(join(section, inside)); found {
			d.fail(at.line, join(section, key), "%s", rest)
			return
		}
	}
	for _, at := range d.places {
		if strings.Contains(reason, at.path[strings.LastIndexByte(at.path, '.')+1:]) {
			line = at.line
			break
		}
	}
	d.fail(line, section, "%s", reason)
}

func (d *document) at(path string) (place, bool) {
	for _, at := range d.places {
		if at.path == path {
			return at, true
		}
	}
	return place{}, false
}

// entries calls visit for each key of a mapping and reports those that it does
// not know, and those that come twice.
func (d *document) entries(node *yaml.Node, path string, visit func(key, value *yaml.Node) bool, known []string) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		at := join(path, key.Value)
		switch {
		case key.Kind != yaml.ScalarNode:
			d.fail(key.Line, path, "want a plain key")
		case seen[key.Value]:
			d.fail(key.Line, at, "the key is there twice")
		case !visit(key, follow(value)):
			d.fail(key.Line, at, "unknown key; %sknown are %s", suggestion(key.Value, known), strings.Join(known, ", "))
		}
		seen[key.Value] = true
	}
}

// mapping decodes the keys of a struct.
func (d *document) mapping(node *yaml.Node, target reflect.Value, path string) {
	if empty(node) {
		return
	}
	fields := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(target.Type()) {
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" && f.IsExported() {
			fields[name] = f
		}
	}
	if node.Kind != yaml.MappingNode {
		d.fail(node.Line, path, "want the keys %s", names(fields))
		return
	}
	d.entries(node, path, func(key, value *yaml.Node) bool {
		field, ok := fields[key.Value]
		if !ok {
			return false
		}
		at, into := join(path, key.Value), target.FieldByIndex(field.Index)
		if isSection(field.Type) {
			d.mapping(value, into, at)
			return true
		}
		d.mark(key.Line, at)
		if v, ok := d.value(value, field.Type, at); ok {
			into.Set(v)
		}
		return true
	}, slices.Sorted(maps.Keys(fields)))
}

// isSection says whether a type is written as keys of its own.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// value decodes a list, a map from names, an element of either, or a scalar. It
// says whether there is one; null, and what expands to nothing, leaves the
// default.
func (d *document) value(node *yaml.Node, t reflect.Type, path string) (reflect.Value, bool) {
	switch {
	case empty(node):
		return reflect.Value{}, false
	case t.Kind() == reflect.Slice && node.Kind != yaml.SequenceNode && mayStandAlone(t):
		return d.alone(node, t, path)
	case t.Kind() == reflect.Slice:
		return d.list(node, t, path)
	case t.Kind() == reflect.Map:
		return d.names(node, t, path)
	case isSection(t):
		return d.element(node, t, path), true
	case node.Kind != yaml.ScalarNode:
		d.fail(node.Line, path, "want a single value")
		return reflect.Value{}, false
	}
	text, err := expand(node.Value, d.getenv)
	if err != nil {
		d.fail(node.Line, path, "%v", err)
		return reflect.Value{}, false
	}
	if text == "" && node.Value != "" && mayNotVanish(t) {
		d.fail(node.Line, path, "%q: nothing comes of it; is the variable not set?", node.Value)
		return reflect.Value{}, false
	}
	if text == "" && node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
		return reflect.Value{}, false
	}
	v, err := parseScalar(text, t, strings.HasSuffix(path, "_bytes"))
	if err != nil {
		// As it stands in the file: what a variable holds may be a secret.
		d.fail(node.Line, path, "%q: %v", node.Value, err)
		return reflect.Value{}, false
	}
	return v, true
}

// alone decodes the only element of a list that stands without it.
func (d *document) alone(node *yaml.Node, t reflect.Type, path string) (reflect.Value, bool) {
	list := reflect.MakeSlice(t, 0, 1)
	v, ok := d.value(node, t.Elem(), path)
	if ok {
		list = reflect.Append(list, v)
	}
	return list, ok
}

func (d *document) list(node *yaml.Node, t reflect.Type, path string) (reflect.Value, bool) {
	if node.Kind != yaml.SequenceNode {
		d.fail(node.Line, path, "want a list")
		return reflect.Value{}, false
	}
	list := reflect.MakeSlice(t, 0, len(node.Content))
	for i, item := range node.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		if len(node.Content) == 1 && mayStandAlone(t) {
			at = path
		}
		d.mark(item.Line, at)
		if v, ok := d.value(follow(item), t.Elem(), at); ok {
			list = reflect.Append(list, v)
		}
	}
	return list, true
}

// mayStandAlone says whether a list's only element may be written as if there
// were no list. Errors then name it without an index.
func mayStandAlone(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[interface{ MayStandAlone() }]())
}

// mayNotVanish says whether what is given for it must not expand to nothing,
// which otherwise counts as left out: that would leave a door open.
func mayNotVanish(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[interface{ MayNotVanish() }]())
}

// element decodes a struct in a list or a map. It begins as its type's
// SetDefaults makes it, where there is one.
func (d *document) element(node *yaml.Node, t reflect.Type, path string) reflect.Value {
	v := reflect.New(t)
	if defaults, ok := reflect.TypeAssert[interface{ SetDefaults() }](v); ok {
		defaults.SetDefaults()
	}
	d.mapping(node, v.Elem(), path)
	return v.Elem()
}

func (d *document) names(node *yaml.Node, t reflect.Type, path string) (reflect.Value, bool) {
	if node.Kind != yaml.MappingNode {
		d.fail(node.Line, path, "want names with values")
		return reflect.Value{}, false
	}
	m := reflect.MakeMap(t)
	d.entries(node, path, func(key, value *yaml.Node) bool {
		at := join(path, key.Value)
		d.mark(key.Line, at)
		if v, ok := d.value(value, t.Elem(), at); ok {
			m.SetMapIndex(reflect.ValueOf(key.Value).Convert(t.Key()), v)
		}
		return true
	}, nil)
	return m, true
}

// follow resolves *anchors.
func follow(node *yaml.Node) *yaml.Node {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	return node
}

func empty(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func names[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}
