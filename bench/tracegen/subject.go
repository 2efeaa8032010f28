package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// subject is a program that makes load. Its arguments have %s where the sink's
// gRPC address belongs.
type subject struct {
	name   string
	binary string
	args   []string
	// made finds in what it prints how many spans it has made; nil where it
	// does not tell.
	made func(output string) uint64
}

// program is what can be built: the folder of its module, and its package.
type program struct{ module, pkg string }

var (
	tracegen     = program{"../..", "./cmd/tracegen"}
	collector    = program{"../..", "./cmd/collector"}
	telemetrygen = program{".", "github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen"}
)

// build builds the program into dir, and returns where it is.
func (p program) build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, filepath.Base(p.pkg))
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, p.pkg) //nolint:gosec // the programs are those above
	cmd.Dir, cmd.Env = p.module, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", p.pkg, err, out)
	}
	return binary, nil
}

// attributes are what both put on each span, beside those that telemetrygen
// puts there anyway: a span is then as large as the shop's.
var attributes = [][2]string{
	{"http.request.method", "POST"},
	{"http.route", "/api/v1/orders"},
	{"url.scheme", "http"},
	{"user_agent.original", "waybill-tracegen"},
	{"network.protocol.version", "1.1"},
}

// children is how many children telemetrygen's traces have.
const children = 29

// flat is a topology of the traces that telemetrygen makes: a span and its
// children, all of one service.
func flat() string {
	var of strings.Builder
	for _, a := range attributes {
		fmt.Fprintf(&of, ", %s: %q", a[0], a[1])
	}
	return fmt.Sprintf(`services:
  telemetrygen:
    operations:
      lets-go: {kind: client, latency: 123us, attributes: {network.peer.address: 1.2.3.4, peer.service: telemetrygen-server%s}, calls: [{to: okey-dokey, count: %d}]}
      okey-dokey: {kind: server, latency: 123us, attributes: {network.peer.address: 1.2.3.4, peer.service: telemetrygen-client%s}}
traces: [{start: telemetrygen/lets-go}]
`, &of, children, &of)
}

func subjects(ctx context.Context, dir string, length time.Duration) ([]subject, error) {
	ourBinary, err := tracegen.build(ctx, dir)
	if err != nil {
		return nil, err
	}
	theirBinary, err := telemetrygen.build(ctx, dir)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "flat.yaml")
	if err := os.WriteFile(file, []byte(flat()), 0o600); err != nil {
		return nil, err
	}
	ours := func(name, topology string) subject {
		return subject{name, ourBinary, []string{
			"--endpoint", "%s", "--protocol", "grpc", "--rate", "0", "--duration", length.String(), "--topology", topology, "--quiet",
		}, madeByTracegen}
	}
	theirs := subject{name: "telemetrygen", binary: theirBinary, args: []string{
		"traces", "--otlp-insecure", "--otlp-endpoint", "%s", "--rate", "0", "--duration", length.String(), "--workers", "2",
		"--child-spans", strconv.Itoa(children), "--batch-size", "1000", "--allow-export-failures",
	}, made: madeByTelemetrygen}
	for _, a := range attributes {
		theirs.args = append(theirs.args, "--telemetry-attributes", fmt.Sprintf("%s=%q", a[0], a[1]))
	}
	return []subject{
		theirs, ours("tracegen, the same spans", file), ours("tracegen, shop", "shop"), ours("tracegen, realistic", "realistic"),
	}, nil
}
