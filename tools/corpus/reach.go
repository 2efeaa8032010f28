package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// feature is a block of statements, and the order of how often it has run.
type feature struct {
	block string
	order int
}

type features map[feature]bool

// lacks is how many of the others it does not have.
func (f features) lacks(others features) (n int) {
	for one := range others {
		if !f[one] {
			n++
		}
	}
	return n
}

func (f features) add(others features) {
	for one := range others {
		f[one] = true
	}
}

// maxOrder is the last that counts. An input that repeats something for longer
// reaches nothing else.
const maxOrder = 8

// errOutdated is an input for a target that has other types by now.
var errOutdated = errors.New("the target's types are others")

// tests is a test binary with coverage, and a copy of the directory that its
// tests are for.
type tests struct{ binary, dir, profile string }

// reach runs a target with those inputs alone, or with its seeds where there
// are none or all are kept by hand.
func (t tests) reach(ctx context.Context, target string, inputs ...input) (features, error) {
	corpus := filepath.Join(t.dir, "testdata", "fuzz", target)
	if err := errors.Join(os.RemoveAll(corpus), os.MkdirAll(corpus, 0o750)); err != nil {
		return nil, err
	}
	for _, in := range inputs {
		if err := os.WriteFile(filepath.Join(corpus, in.name), in.data, 0o600); err != nil {
			return nil, err
		}
	}
	which := "^" + target + "$"
	if len(inputs) == 1 && given.MatchString(inputs[0].name) {
		which += "/^" + inputs[0].name + "$"
	}
	printed, err := output(ctx, t.dir, t.binary, "-test.run", which, "-test.coverprofile", t.profile, "-test.timeout", "1m")
	if strings.Contains(printed, "mismatched types in corpus entry") || strings.Contains(printed, "wrong number of values in corpus entry") {
		return nil, errOutdated
	}
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, printed)
	}
	return read(t.profile)
}

// read reads a profile of coverage, whose lines end with a block's place, how
// many statements it has, and how often it has run.
func read(profile string) (features, error) {
	file, err := os.Open(filepath.Clean(profile))
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // Nothing was written to it.
	reached := features{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			continue // The first line, which says the mode.
		}
		count, err := strconv.ParseUint(fields[2], 10, 64)
		if err != nil {
			return nil, err
		}
		if count > 0 {
			reached[feature{fields[0], min(bits.Len64(count), maxOrder)}] = true
		}
	}
	return reached, nil
}
