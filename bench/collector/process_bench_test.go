package collector

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// build builds the command once for all benchmarks of a run.
func build(b *testing.B) string {
	b.Helper()
	binary := filepath.Join(b.TempDir(), "collector")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-o", binary, "github.com/waybill-dev/waybill/cmd/collector")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build the collector: %v\n%s", err, out)
	}
	return binary
}

// process is a collector that runs beside the benchmark.
type process struct {
	cmd        *exec.Cmd
	grpc, http string
}

// start runs the collector with a journal of its own, forwarding to backend,
// and waits until it takes requests.
func start(b *testing.B, binary, backend, compression string) *process {
	b.Helper()
	dir := b.TempDir()
	p := &process{grpc: freeAddress(b), http: freeAddress(b)}
	config := fmt.Sprintf(`
receive: {otlp: {grpc: {address: %q}, http: {address: %q}}}
journal: {dir: %q}
derive: {address: "127.0.0.1:0"}
export: {traces: {endpoint: %q, compression: %s}}
admin: {address: "off"}
`, p.grpc, p.http, filepath.Join(dir, "journal"), backend, compression)
	file := filepath.Join(dir, "collector.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	p.cmd = exec.CommandContext(context.WithoutCancel(b.Context()), binary, "--config", file)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			if strings.Contains(lines.Text(), "ERROR") {
				fmt.Fprintln(os.Stderr, "collector:", lines.Text())
			}
		}
	}()
	for _, address := range []string{p.grpc, p.http} {
		await(b, "the collector listens on "+address, func() bool {
			conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", address)
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		})
	}
	return p
}

// stop ends the process and tells its CPU time and its peak memory in bytes.
func (p *process) stop(b *testing.B) (cpu time.Duration, rss int64) {
	b.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		b.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		b.Fatalf("the collector ended with %v", err)
	}
	rss = p.cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	if runtime.GOOS != "darwin" {
		rss <<= 10 // elsewhere it is in KiB
	}
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(), rss
}

// await polls until a condition holds.
func await(b *testing.B, what string, holds func() bool) {
	b.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("it never came to be that %s", what)
		}
	}
}

func freeAddress(b *testing.B) string {
	b.Helper()
	listener, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
