package fault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// schema is what flagd's files name as theirs.
const schema = "https://flagd.dev/schema/v0/flags.json"

// definitions are a file of flagd's, without what the shop has no use for:
// targeting, which flagd evaluates and this does not.
type definitions struct {
	Schema string          `json:"$schema,omitempty"`
	Flags  map[string]flag `json:"flags"`
}

// flag is one flag of the file. Its variants are boolean.
type flag struct {
	State          string          `json:"state"`
	Variants       map[string]bool `json:"variants"`
	DefaultVariant string          `json:"defaultVariant"`
	Targeting      json.RawMessage `json:"targeting,omitempty"`
}

const (
	enabled  = "ENABLED"
	disabled = "DISABLED"
)

// newFlag is a flag that is on or off.
func newFlag(on bool) flag {
	f := flag{State: enabled, Variants: map[string]bool{"on": true, "off": false}, DefaultVariant: "off"}
	if on {
		f.DefaultVariant = "on"
	}
	return f
}

// check says what is wrong with a flag.
func (f flag) check() error {
	if f.State != enabled && f.State != disabled {
		return fmt.Errorf("state %q is neither %s nor %s", f.State, enabled, disabled)
	}
	if _, known := f.Variants[f.DefaultVariant]; !known {
		return fmt.Errorf("defaultVariant %q is not among the variants", f.DefaultVariant)
	}
	if len(f.Targeting) > 0 && string(f.Targeting) != "{}" && string(f.Targeting) != "null" {
		return errors.New("targeting is for flagd, and not evaluated here")
	}
	return nil
}

// parse reads a file. A flag that is no fault of the shop's is none of its
// business, and may be of another type.
func parse(content []byte) (map[string]flag, error) {
	var file struct {
		Flags map[string]json.RawMessage `json:"flags"`
	}
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("read flags: %w", err)
	}
	flags := map[string]flag{}
	var errs []error
	for _, known := range All() {
		raw, given := file.Flags[known.Key]
		if !given {
			continue
		}
		var f flag
		err := json.Unmarshal(raw, &f)
		if err == nil {
			err = f.check()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("flag %s: %w", known.Key, err))
			continue
		}
		flags[known.Key] = f
	}
	return flags, errors.Join(errs...)
}

// set changes one flag of the file, and leaves the others, and whatever else
// is in it, as they are. The file is replaced as a whole, so that nobody reads
// half of it.
func set(path, key string, on bool) error {
	file := map[string]json.RawMessage{}
	flags := map[string]json.RawMessage{}
	content, err := os.ReadFile(path) //nolint:gosec // who runs the demo has named the file
	switch {
	case errors.Is(err, fs.ErrNotExist):
		content, err = json.Marshal(definitions{Schema: schema, Flags: map[string]flag{}})
		if err != nil {
			return err
		}
	case err != nil:
		return err
	}
	if err := json.Unmarshal(content, &file); err != nil {
		return fmt.Errorf("read flags: %w", err)
	}
	if raw, given := file["flags"]; given {
		if err := json.Unmarshal(raw, &flags); err != nil {
			return fmt.Errorf("read flags: %w", err)
		}
	}
	if flags[key], err = json.Marshal(newFlag(on)); err != nil {
		return err
	}
	if file["flags"], err = json.Marshal(flags); err != nil {
		return err
	}
	whole, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return err
	}
	return replace(path, append(whole, '\n'))
}

// replace puts a new file in the place of the old one.
func replace(path string, content []byte) error {
	fresh, err := os.CreateTemp(filepath.Dir(path), ".flags-*")
	if err != nil {
		return err
	}
	_, err = fresh.Write(content)
	if err = errors.Join(err, fresh.Chmod(0o644), fresh.Close()); err == nil { // flagd may run as somebody else
		err = os.Rename(fresh.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh.Name()))
	}
	return nil
}
