package collector

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// party stands for a section with structs in a list and in a map.
type party struct {
	Rules  []drink          `yaml:"rules"`
	Guests map[string]drink `yaml:"guests"`
}

type drink struct {
	Name string `yaml:"name"`
	Most int    `yaml:"most"`
}

func (d *drink) SetDefaults() { d.Most = 7 }

func (d *drink) validate(key string) error {
	switch {
	case d.Name == "":
		return fmt.Errorf("%s.name: nothing", key)
	case d.Most > 9:
		return fmt.Errorf("%s.most: %d is too much", key, d.Most)
	}
	return nil
}

func (p *party) Validate() error {
	var errs []error
	for i, d := range p.Rules {
		errs = append(errs, d.validate(fmt.Sprintf("rules[%d]", i)))
	}
	for who, d := range p.Guests {
		errs = append(errs, d.validate("guests."+who))
	}
	return errors.Join(errs...)
}

func TestLoadStructsInListsAndMaps(t *testing.T) {
	var got party
	_, err := Load(write(t, `
party:
  rules:
    - {name: tea}
    - name: "${env:HOST}"
      most: 1
  guests:
    one: &one {name: beer}
    two: *one
    none:
`), testEnv, map[string]any{"party": &got})
	if err != nil {
		t.Fatal(err)
	}
	want := party{
		Rules:  []drink{{"tea", 7}, {"jaeger", 1}},
		Guests: map[string]drink{"one": {"beer", 7}, "two": {"beer", 7}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoadNamesTheLineOfAnElement(t *testing.T) {
	for text, want := range map[string]string{
		"party:\n  rules:\n    - name: tea\n    - name: gin\n      most: 10": ":5: party.rules[1].most: 10 is too much",
		"party:\n  rules:\n    - name: tea\n    - most: 1":                   ":4: party.rules[1].name: nothing",
		"party:\n  rules:\n    - name: tea\n    - nam: gin":                  ":4: party.rules[1].nam: unknown key; did you mean name?",
		"party:\n  rules:\n    - tea":                                        ":3: party.rules[0]: want the keys most, name",
		"party:\n  rules: {name: tea}":                                       ":2: party.rules: want a list",
		"party:\n  guests:\n    one: {name: tea}\n    two:\n      most: 1":   ":4: party.guests.two.name: nothing",
		"party:\n  guests:\n    two:\n      name: tea\n      most: x":        `:5: party.guests.two.most: "x": want a whole number`,
		"party:\n  guests:\n    two: {name: tea}\n    two: {name: tea}":      ":4: party.guests.two: the key is there twice",
		"party:\n  guests:\n    two: {name: tea, name: gin}":                 ":3: party.guests.two.name: the key is there twice",
		"prty:\n  guests:\n    two: {name: tea, name: gin}":                  ":1: prty: unknown key; did you mean party?",
	} {
		_, err := Load(write(t, text), testEnv, map[string]any{"party": &party{}})
		if err == nil || !strings.Contains(err.Error(), "collector.yaml"+want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}
