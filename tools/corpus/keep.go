package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// keeper chooses among the inputs of one package's targets after the other.
type keeper struct {
	most int
	size int64 // of a file, in bytes
	out  io.Writer
}

// input is a file of a corpus.
type input struct {
	name    string
	data    []byte
	reaches features
}

// given is a name that the cache gives.
var given = regexp.MustCompile(`^[0-9a-f]{16}$`)

// keep writes the corpus of each target in a package's directory.
func (k *keeper) keep(ctx context.Context, dir string) error {
	scratch, err := os.MkdirTemp("", "corpus")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }() // It is the system's to clear otherwise.
	t := tests{dir: filepath.Join(scratch, "package"), binary: filepath.Join(scratch, "package.test"), profile: filepath.Join(scratch, "cover.out")}
	path, err := output(ctx, dir, "go", "list", ".")
	if err != nil {
		return err
	}
	if _, err = output(ctx, dir, "go", "test", "-c", "-cover", "-covermode=count", "-coverpkg="+path+"/...", "-o", t.binary, "."); err != nil {
		return err
	}
	cache, err := output(ctx, dir, "go", "env", "GOCACHE")
	if err != nil {
		return err
	}
	// Tests read what lies beside them; only the corpus is another one.
	if err := os.CopyFS(t.dir, os.DirFS(dir)); err != nil {
		return err
	}
	targets, err := output(ctx, t.dir, t.binary, "-test.list", "^Fuzz")
	if err != nil {
		return err
	}
	for target := range strings.FieldsSeq(targets) {
		if !strings.HasPrefix(target, "Fuzz") {
			continue
		}
		kept := filepath.Join(dir, "testdata", "fuzz", target)
		if err := k.choose(ctx, t, target, kept, filepath.Join(cache, "fuzz", path, target)); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
	}
	return nil
}

// choose writes the corpus of one target.
func (k *keeper) choose(ctx context.Context, t tests, target, kept, cached string) error {
	own, candidates, err := k.inputs(kept, cached)
	if err != nil {
		return err
	}
	reached, err := t.reach(ctx, target, own...)
	if err != nil {
		return fmt.Errorf("what is in the code and kept by hand: %w", err)
	}
	seeds := len(reached)
	var measured []input
	for _, in := range candidates {
		in.reaches, err = t.reach(ctx, target, in)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errOutdated):
		case err != nil:
			if err := k.tell("%s: %s fails: %v\n", target, in.name, err); err != nil {
				return err
			}
		default:
			measured = append(measured, in)
		}
	}
	chosen := k.greedy(reached, measured)
	if err := k.tell("%s: %d of %d inputs; features %d, with them %d\n", target, len(chosen), len(measured), seeds, len(reached)); err != nil {
		return err
	}
	return write(kept, chosen)
}

func (k *keeper) tell(format string, args ...any) error {
	_, err := fmt.Fprintf(k.out, format, args...)
	return err
}

// inputs are those that are kept by hand, and the others.
func (k *keeper) inputs(dirs ...string) (own, others []input, err error) {
	seen := map[string]bool{}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		for _, entry := range entries {
			data, err := os.ReadFile(filepath.Join(dir, entry.Name())) //nolint:gosec // The directory is the user's.
			if err != nil {
				return nil, nil, err
			}
			in := input{name: entry.Name(), data: data}
			switch {
			case seen[in.name]:
			case !given.MatchString(in.name):
				own = append(own, in)
			case int64(len(data)) <= k.size:
				others = append(others, in)
			}
			seen[in.name] = true
		}
	}
	return own, others, nil
}

// greedy adds what the chosen ones reach to what is reached already.
func (k *keeper) greedy(reached features, from []input) (chosen []input) {
	for len(chosen) < k.most {
		best, gain := input{}, 0
		for _, in := range from {
			n := reached.lacks(in.reaches)
			if n > gain || n == gain && n > 0 && len(in.data) < len(best.data) {
				best, gain = in, n
			}
		}
		if gain == 0 {
			break
		}
		reached.add(best.reaches)
		chosen = append(chosen, best)
	}
	return chosen
}

// write replaces what was chosen before.
func write(dir string, chosen []input) error {
	before, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	for _, path := range before {
		if given.MatchString(filepath.Base(path)) {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	if len(chosen) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	for _, in := range chosen {
		if err := os.WriteFile(filepath.Join(dir, in.name), in.data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// output is what a command prints; its complaints are in the error.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // The tool runs Go, and what Go has built.
	cmd.Dir = dir
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	printed, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, complaints.String())
	}
	return strings.TrimSpace(string(printed)), err
}
