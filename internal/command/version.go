package command

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
)

// WriteVersion tells what the program was built from, a line each; what the
// build did not note is "unknown".
func WriteVersion(w io.Writer) error { return writeVersion(w, buildInfo()) }

func writeVersion(w io.Writer, info *debug.BuildInfo) error {
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	known := func(value string) string {
		if value == "" {
			return "unknown"
		}
		return value
	}
	revision := known(settings["vcs.revision"])
	if settings["vcs.modified"] == "true" {
		revision += ", modified"
	}
	_, err := fmt.Fprintf(w, "version   %s\nrevision  %s\ntime      %s\ngo        %s %s/%s\n",
		known(strings.Trim(info.Main.Version, "()")), revision, known(settings["vcs.time"]), info.GoVersion, runtime.GOOS, runtime.GOARCH)
	return err
}

// buildInfo is empty where the program was built without modules.
func buildInfo() *debug.BuildInfo {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info
	}
	return &debug.BuildInfo{GoVersion: runtime.Version()}
}
