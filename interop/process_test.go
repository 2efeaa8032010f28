package interop

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/interop/backend"
)

// patience is how long anything may take on a machine that is busy elsewhere.
const patience = 60 * time.Second

// program is a process under test. The test that started it ends it.
type program struct {
	name   string
	cmd    *exec.Cmd
	output *lines
	exited chan struct{} // closed when the process has ended
}

// launch starts a program. Without a failed test its output is not shown.
func launch(t *testing.T, env []string, path string, args ...string) *program {
	t.Helper()
	p := &program{name: filepath.Base(path), cmd: exec.Command(path, args...), output: &lines{}, exited: make(chan struct{})} //nolint:noctx // ended below, and not before its output is read
	p.cmd.Dir = t.TempDir()
	p.cmd.Env = append(cleanEnviron(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended does not matter to those who ended it
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, p.output.tail(60))
		}
	})
	return p
}

// cleanEnviron is the environment without what configures telemetry.
func cleanEnviron() []string {
	var kept []string
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "OTEL_") {
			kept = append(kept, variable)
		}
	}
	return kept
}

// stop asks the program to end, and ends it if it does not.
func (p *program) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.exited:
	case <-time.After(20 * time.Second):
		p.kill()
	}
}

// kill ends the program without giving it a chance to do anything.
func (p *program) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.exited
}

// running is nil while the program runs.
func (p *program) running() error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s has ended: %s", p.name, p.cmd.ProcessState)
	default:
		return nil
	}
}

// lines keeps what a program writes. Safe for concurrent use.
type lines struct {
	mu      sync.Mutex
	content bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.content.Write(p)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.content.String()
}

// tail is the last n lines.
func (l *lines) tail(n int) string {
	all := strings.Split(strings.TrimSpace(l.text()), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}

// field is the second word of the first line that begins with the word.
func (l *lines) field(word string) (string, bool) {
	scanner := bufio.NewScanner(strings.NewReader(l.text()))
	for scanner.Scan() {
		if words := strings.Fields(scanner.Text()); len(words) >= 2 && words[0] == word {
			return words[1], true
		}
	}
	return "", false
}

// eventually repeats try until it returns nil.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// portsTried counts the ports that freeAddress has looked at.
var portsTried atomic.Int32

// freeAddress is a loopback address that nobody listens on. Its port is below
// those that the kernel hands out, so that nobody gets it by chance before the
// program that it is for, and comes only once.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		// Two runs at once begin in different places.
		port := 20_000 + (31*os.Getpid()+int(portsTried.Add(1)))%10_000
		address := fmt.Sprintf("127.0.0.1:%d", port)
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
		if err != nil {
			continue
		}
		_ = listener.Close()
		return address
	}
	t.Fatal("no free port found")
	return ""
}

// built is where a backend was built.
func built(t *testing.T, b backend.Backend) string {
	t.Helper()
	path, there, err := b.Binary()
	if err != nil {
		t.Fatal(err)
	}
	if !there {
		t.Fatalf("%s is not built: run `go run ./build` in interop/", b.Name)
	}
	return path
}

// commands are those of Waybill that tests have built.
var commands struct {
	dir string // of this run

	mu    sync.Mutex
	built map[string]bool
}

// TestMain keeps what buildCommand builds until all tests have run.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "waybill-interop-")
	if err != nil {
		panic(err)
	}
	commands.dir, commands.built = dir, map[string]bool{}
	m.Run()
	if err := os.RemoveAll(dir); err != nil {
		panic(err)
	}
}

// buildCommand builds one of Waybill's own commands, as its users would, unless
// a test has built it before.
func buildCommand(t *testing.T, name string) string {
	t.Helper()
	commands.mu.Lock()
	defer commands.mu.Unlock()
	path := filepath.Join(commands.dir, name)
	if commands.built[name] {
		return path
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./cmd/"+name)
	cmd.Dir = ".." // the main module: its own versions count
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build cmd/%s: %v\n%s", name, err, out)
	}
	commands.built[name] = true
	return path
}

// writeFile writes a file into a folder of the test, and returns its path.
func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readAll reads a body that is not longer than a megabyte.
func readAll(body io.Reader) (string, error) {
	content, err := io.ReadAll(io.LimitReader(body, 1<<20))
	return string(content), err
}
