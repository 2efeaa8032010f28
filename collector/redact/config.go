package redact

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
)

// Config says what must not be kept.
type Config struct {
	// Enabled turns redaction on.
	Enabled bool `yaml:"enabled"`
	// Defaults adds, behind the rules, those for card numbers, tokens and
	// passwords.
	Defaults bool `yaml:"defaults"`
	// Metrics applies the rules to the attributes of metrics too. Series that
	// differ in nothing else then become one.
	Metrics bool `yaml:"metrics"`
	// HashKey is the secret with which values are hashed, at least 16 bytes.
	HashKey Key `yaml:"hash_key"`
	// Rules are tried in this order.
	Rules []Rule `yaml:"rules"`
}

// Rule says what is to be redacted, and how.
type Rule struct {
	// Name is the rule's in metrics; it is the key, or the pattern, where it
	// is left out.
	Name string `yaml:"name"`
	// Key is of attributes, and of entries in maps. * stands for any text, ?
	// for one character; case does not matter. Empty, it is any key, and texts
	// without one: bodies of logs, names of spans and events, and messages of
	// statuses.
	Key string `yaml:"key"`
	// Pattern is a regular expression of Go's syntax that is looked for in
	// texts; where it has a group, what the first group holds is meant. Empty,
	// the value of the key is meant, whatever its type.
	Pattern string `yaml:"pattern"`
	// Action is drop, mask, hash or keep.
	Action string `yaml:"action"`
	// KeepLast is how many characters at the end of what is masked stay. Of
	// what is not more than twice as long nothing stays.
	KeepLast int `yaml:"keep_last"`
}

// The actions of rules.
const (
	// Drop leaves out the attribute, entry of a map or element of a list;
	// other texts become empty.
	Drop = "drop"
	// Mask puts REDACTED in the place of what is meant.
	Mask = "mask"
	// Hash puts the first 16 bytes of its HMAC-SHA-256 there, in hex.
	Hash = "hash"
	// Keep protects the value of a key from the rules behind it.
	Keep = "keep"
)

const (
	minKeyBytes = 16
	maxKeepLast = 32
)

// SetDefaults makes a rule mask.
func (r *Rule) SetDefaults() { r.Action = Mask }

// DefaultConfig is off; turned on, it has the default rules.
func DefaultConfig() Config { return Config{Defaults: true} }

// Validate reports all that is wrong with the configuration, by its keys.
func (c Config) Validate() error {
	var errs []error
	if n := len(c.HashKey); n > 0 && n < minKeyBytes {
		errs = append(errs, fmt.Errorf("hash_key: %d bytes: want at least %d", n, minKeyBytes))
	}
	for i, r := range c.Rules {
		for key, fault := range r.faults(c.HashKey != "") {
			errs = append(errs, fmt.Errorf("rules[%d].%s: %w", i, key, fault))
		}
	}
	return errors.Join(errs...)
}

// faults are what is wrong with a rule, by key.
func (r Rule) faults(canHash bool) map[string]error {
	faults := map[string]error{}
	if r.Key == "" && r.Pattern == "" {
		faults["key"] = errors.New("a rule needs a key, a pattern, or both")
	}
	switch re, err := regexp.Compile(r.Pattern); {
	case r.Pattern == "":
	case err != nil:
		faults["pattern"] = err
	case re.MatchString(""):
		faults["pattern"] = errors.New("it is found in an empty text")
	}
	switch r.Action {
	case Drop, Mask:
	case Hash:
		if !canHash {
			faults["action"] = errors.New("hash needs a hash_key")
		}
	case Keep:
		if r.Pattern != "" {
			faults["action"] = errors.New("keep goes with a key alone")
		}
	default:
		faults["action"] = fmt.Errorf("%q: want drop, mask, hash or keep", r.Action)
	}
	if r.KeepLast < 0 || r.KeepLast > maxKeepLast || r.KeepLast > 0 && r.Action != Mask {
		faults["keep_last"] = fmt.Errorf("%d: want 0 to %d, and the action mask", r.KeepLast, maxKeepLast)
	}
	return faults
}

// Key is a secret that is never printed or logged.
type Key string

// String implements fmt.Stringer.
func (Key) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (Key) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }
