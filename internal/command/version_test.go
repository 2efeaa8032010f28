package command

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestWriteVersion(t *testing.T) {
	machine := " " + runtime.GOOS + "/" + runtime.GOARCH + "\n"
	for _, test := range []struct {
		info debug.BuildInfo
		want string
	}{
		{
			debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v0.3.0"}},
			"version   v0.3.0\nrevision  unknown\ntime      unknown\ngo        go1.26.8" + machine,
		},
		{
			debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{
				{Key: "vcs.revision", Value: "0a1b"}, {Key: "vcs.time", Value: "2026-11-24T20:00:00Z"}, {Key: "vcs.modified", Value: "true"},
			}},
			"version   devel\nrevision  0a1b, modified\ntime      2026-11-24T20:00:00Z\ngo        go1.26.8" + machine,
		},
	} {
		var out strings.Builder
		if err := writeVersion(&out, &test.info); err != nil || out.String() != test.want {
			t.Errorf("%v, %q; want %q", err, out.String(), test.want)
		}
	}
}

func TestWriteVersionOfThisBuild(t *testing.T) {
	var out strings.Builder
	if err := WriteVersion(&out); err != nil || !strings.Contains(out.String(), "go        "+runtime.Version()) {
		t.Errorf("%v, %q", err, out.String())
	}
}
