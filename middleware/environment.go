package middleware

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// environment reads the OTEL_* variables, and those of jaeger-client-go that
// stand in for them. A variable that is set to nothing is
// not set. As OpenTelemetry's specification asks, a value that makes no sense
// is ignored with a warning, except where nothing could be sent without it:
// that is an error. Both are collected, so that Setup tells all at once.
type environment struct {
	lookup   func(string) (string, bool)
	jaeger   jaeger
	warnings []error
	errs     []error
}

func (e *environment) err() error { return errors.Join(e.errs...) }

// ignore warns of a value that is not taken.
func (e *environment) ignore(name, value, want string) {
	e.warn(fmt.Errorf("%s=%q: want %s", name, value, want))
}

// warn tells of what is not as it was asked for.
func (e *environment) warn(err error) { e.warnings = tellOnce(e.warnings, err) }

// reject makes Setup fail.
func (e *environment) reject(err error) { e.errs = tellOnce(e.errs, err) }

// tellOnce adds err, unless another signal has had it: most values are for all.
func tellOnce(told []error, err error) []error {
	if slices.ContainsFunc(told, func(other error) bool { return other.Error() == err.Error() }) {
		return told
	}
	return append(told, err)
}

// text is the value of the first of the variables that is set.
func (e *environment) text(names ...string) string {
	_, value := e.first(names...)
	return value
}

func (e *environment) first(names ...string) (name, value string) {
	for _, name := range names {
		if value, set := e.lookup(name); set && strings.TrimSpace(value) != "" {
			return name, strings.TrimSpace(value)
		}
		if value := e.jaeger.instead[name]; value != "" {
			return name, value
		}
	}
	return "", ""
}

// flag is true only for "true" in any case, as the specification has it.
func (e *environment) flag(name string) bool { return strings.EqualFold(e.text(name), "true") }

// milliseconds reads a duration.
func (e *environment) milliseconds(standard time.Duration, names ...string) time.Duration {
	name, value := e.first(names...)
	if name == "" {
		return standard
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n <= 0 {
		e.ignore(name, value, "a number of milliseconds above 0")
		return standard
	}
	return time.Duration(n) * time.Millisecond
}

// count reads a number of items.
func (e *environment) count(name string, standard int) int {
	value := e.text(name)
	if value == "" {
		return standard
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n <= 0 {
		e.ignore(name, value, "a number above 0")
		return standard
	}
	return int(n)
}

// choice reads one of several words, in any case.
func (e *environment) choice(standard string, words []string, names ...string) string {
	name, value := e.first(names...)
	if name == "" {
		return standard
	}
	for _, word := range words {
		if strings.EqualFold(value, word) {
			return word
		}
	}
	e.ignore(name, value, "one of "+strings.Join(words, ", "))
	return standard
}

// list reads words with commas between them.
func (e *environment) list(name, standard string) []string {
	value := e.text(name)
	if value == "" {
		value = standard
	}
	words := strings.Split(value, ",")
	for i := range words {
		words[i] = strings.TrimSpace(words[i])
	}
	return words
}

// pairs reads key=value pairs with commas between them; keys and values may be
// percent-encoded, as in W3C Baggage. One that is malformed spoils all.
func (e *environment) pairs(names ...string) ([][2]string, error) {
	name, value := e.first(names...)
	var pairs [][2]string
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		k, v, found := strings.Cut(part, "=")
		key, keyErr := percentDecoded(k)
		val, valErr := percentDecoded(v)
		if !found || key == "" || keyErr != nil || valErr != nil {
			// The value may be a secret: only its key is told.
			return nil, fmt.Errorf("%s: want key=value pairs with commas between them, got one that begins %q", name, k)
		}
		pairs = append(pairs, [2]string{key, val})
	}
	return pairs, nil
}
