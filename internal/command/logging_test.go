package command

import (
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"strings"
	"testing"
)

func logging(t *testing.T, args ...string) (*Logging, error) {
	t.Helper()
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	l := &Logging{}
	l.AddFlags(flags)
	return l, flags.Parse(args)
}

// TestLogging has the configuration's level change, which counts unless the
// command line has one.
func TestLogging(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string // of the four messages below
		json bool
	}{
		{nil, "warn after-info", false},
		{[]string{"--log-format", "json"}, "warn after-info", true},
		{[]string{"--log-level", "debug"}, "debug warn after-debug after-info", false},
		{[]string{"--log-level", "ERROR", "--log-format", "text"}, "", false},
	} {
		l, err := logging(t, test.args...)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		logger := l.Logger(&out, slog.LevelWarn)
		logger.Debug("debug")
		logger.Warn("warn")
		l.Configure(slog.LevelInfo)
		logger.Debug("after-debug")
		logger.Info("after-info")
		var told []string
		for line := range strings.Lines(out.String()) {
			told = append(told, message(t, line, test.json))
		}
		got := strings.Join(told, " ")
		if got != test.want {
			t.Errorf("%q: logged %q, want %q", test.args, got, test.want)
		}
	}
}

func message(t *testing.T, line string, isJSON bool) string {
	t.Helper()
	if isJSON {
		var fields struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		return fields.Msg
	}
	_, text, _ := strings.Cut(strings.TrimSpace(line), "msg=")
	return text
}

func TestLoggingRefuses(t *testing.T) {
	for _, args := range [][]string{{"--log-format", "xml"}, {"--log-level", "loud"}, {"--log-level", ""}} {
		if _, err := logging(t, args...); err == nil || !strings.Contains(err.Error(), "want ") {
			t.Errorf("%q: %v", args, err)
		}
	}
}
