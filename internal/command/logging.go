package command

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
)

// Logging is how a command logs: its flags, and the level of its configuration,
// which may change while it runs.
type Logging struct {
	format string
	// asked is the level of the command line, which counts for more than the
	// configuration's; nil where there is none.
	asked *slog.Level
	level slog.LevelVar
}

// AddFlags adds --log-format and --log-level.
func (l *Logging) AddFlags(flags *flag.FlagSet) {
	l.format = "text"
	flags.Func("log-format", "text or json (default text)", func(text string) error {
		if text != "text" && text != "json" {
			return fmt.Errorf("%q: want text or json", text)
		}
		l.format = text
		return nil
	})
	flags.Func("log-level", "debug, info, warn or error; without it admin.log_level of the configuration counts", func(text string) error {
		l.asked = new(slog.Level)
		if l.asked.UnmarshalText([]byte(text)) != nil {
			return errors.New("want debug, info, warn or error")
		}
		return nil
	})
}

// Level is the one that counts when the configuration has that one.
func (l *Logging) Level(configured slog.Level) slog.Level {
	if l.asked != nil {
		return *l.asked
	}
	return configured
}

// Logger logs to w from the level of the configuration on. It is called once.
func (l *Logging) Logger(w io.Writer, configured slog.Level) *slog.Logger {
	l.Configure(configured)
	options := &slog.HandlerOptions{Level: &l.level}
	if l.format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// Configure has the logger go by another level of the configuration.
func (l *Logging) Configure(configured slog.Level) { l.level.Set(l.Level(configured)) }
