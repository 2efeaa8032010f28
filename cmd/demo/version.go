package main

import (
	"context"
	"flag"
	"runtime/debug"

	shared "github.com/waybill-dev/waybill/internal/command"
)

// runVersion prints what the program was built from.
func (c command) runVersion(_ context.Context, args []string) error {
	if err := c.parse(flag.NewFlagSet("demo version", flag.ContinueOnError), args); err != nil {
		return err
	}
	return shared.WriteVersion(c.stdout)
}

// version is what the services say of themselves: the module's version where
// the program was installed by it, otherwise the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value[:min(12, len(setting.Value))]
		}
	}
	return "devel"
}
