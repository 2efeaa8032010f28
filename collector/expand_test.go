package collector

import (
	"strings"
	"testing"
)

func testEnv(name string) (string, bool) {
	value, ok := map[string]string{"HOST": "jaeger", "EMPTY": "", "DOLLAR": "a$$b${HOST}", "_x1": "y"}[name]
	return value, ok
}

func TestExpand(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"plain", "plain"},
		{"", ""},
		{"http://${env:HOST}:4318", "http://jaeger:4318"},
		{"${HOST}${HOST}", "jaegerjaeger"},
		{"${env:_x1}", "y"},
		{"${env:NONE}", ""},
		{"${env:NONE:-there}", "there"},
		{"${env:EMPTY:-there}", ""}, // It is set.,
		{"${env:HOST:-there}", "jaeger"},
		{"${env:NONE:-}", ""},
		{"${env:NONE:-a:-b}", "a:-b"},
		{"${env:NONE:-${env:HOST}}!", "jaeger!"},
		{"${env:NONE:-${env:NONE:-x}}", "x"},
		{"$$", "$"},
		{"$${env:HOST}", "${env:HOST}"},
		{"$$${env:HOST}", "$jaeger"},
		{"${env:NONE:-$${HOST}}", "${HOST}"},
		{"5 $ and $5", "5 $ and $5"},
		{"end$", "end$"},
		{"${env:DOLLAR}", "a$$b${HOST}"}, // A value is no template.
	} {
		if got, err := expand(test.in, testEnv); err != nil || got != test.want {
			t.Errorf("expand(%q) = %q, %v; want %q", test.in, got, err, test.want)
		}
	}
}

func TestExpandRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"${env:HOST":              "closing brace",
		"${":                      "closing brace",
		"${env:NONE:-${env:HOST}": "closing brace",
		"${}":                     "no name",
		"${env:}":                 "no name",
		"${env:1A}":               "no name",
		"${env:A-B}":              "no name",
		"${file:/etc/passwd}":     "only env",
		"${env:NONE:-${x y}}":     "no name",
	} {
		if got, err := expand(in, testEnv); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expand(%q) = %q, %v; want an error about %q", in, got, err, want)
		}
	}
}

func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"${env:HOST:-${X}}", "$$${", "a$b", "${a:-$$}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := expand(text, testEnv)
		if err == nil && !strings.Contains(text, "$") && got != text {
			t.Errorf("expand(%q) = %q", text, got)
		}
		// Escaped, any text comes out as it was.
		escaped := strings.ReplaceAll(text, "$", "$$")
		if got, err := expand(escaped, testEnv); err != nil || got != text {
			t.Errorf("expand(%q) = %q, %v; want %q", escaped, got, err, text)
		}
	})
}
