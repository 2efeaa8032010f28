package collector

import (
	"errors"
	"fmt"
	"strings"
)

// expand replaces ${env:NAME} by the variable's value and ${env:NAME:-default}
// by the default where the variable is not set, as the OpenTelemetry Collector
// does; ${NAME} means ${env:NAME}, "$$" is a dollar sign, and a
// dollar sign before anything else stands for itself. A variable that is not
// set is empty. A default may hold further expressions; a variable's value is
// taken as it is.
func expand(text string, getenv func(string) (string, bool)) (string, error) {
	if !strings.Contains(text, "$") {
		return text, nil
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		out.WriteString(before)
		switch {
		case !found:
			return out.String(), nil
		case strings.HasPrefix(after, "$"):
			out.WriteByte('$')
			text = after[1:]
		case strings.HasPrefix(after, "{"):
			expression, rest, err := cutExpression(after[1:])
			if err != nil {
				return "", err
			}
			value, err := evaluate(expression, getenv)
			if err != nil {
				return "", err
			}
			out.WriteString(value)
			text = rest
		default:
			out.WriteByte('$')
			text = after
		}
	}
}

// cutExpression cuts text at the brace that closes the expression it begins with.
func cutExpression(text string) (expression, rest string, err error) {
	depth := 1
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '}':
			if depth--; depth == 0 {
				return text[:i], text[i+1:], nil
			}
		case strings.HasPrefix(text[i:], "$$"):
			i++
		case strings.HasPrefix(text[i:], "${"):
			depth++
			i++
		}
	}
	return "", "", errors.New("${ without a closing brace")
}

func evaluate(expression string, getenv func(string) (string, bool)) (string, error) {
	name, fallback, _ := strings.Cut(expression, ":-")
	if scheme, rest, found := strings.Cut(name, ":"); found {
		if scheme != "env" {
			return "", fmt.Errorf("${%s:…} is not known: only env is", scheme)
		}
		name = rest
	}
	if !validVariable(name) {
		return "", fmt.Errorf("%q is no name of an environment variable", name)
	}
	if value, set := getenv(name); set {
		return value, nil
	}
	return expand(fallback, getenv)
}

func validVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
