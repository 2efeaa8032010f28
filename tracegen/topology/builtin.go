package topology

import (
	_ "embed" // the topologies that are built in
	"fmt"
	"slices"
	"strings"
)

//go:embed shop.yaml
var shop []byte

// builtins are in the order in which they are listed.
var builtins = []struct {
	name string
	yaml func() []byte
}{
	{"shop", func() []byte { return shop }},
	{"realistic", realistic},
}

// Names are the topologies that are built in.
func Names() []string {
	names := make([]string, 0, len(builtins))
	for _, b := range builtins {
		names = append(names, b.name)
	}
	return names
}

// Builtin returns a topology that is built in.
func Builtin(name string) (*Topology, error) {
	for _, b := range builtins {
		if b.name == name {
			return Parse(name, b.yaml())
		}
	}
	return nil, fmt.Errorf("no topology %q is built in; there are %s", name, strings.Join(slices.Sorted(slices.Values(Names())), ", "))
}
