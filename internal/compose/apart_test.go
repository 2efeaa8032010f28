package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
)

// TestTheShopRunsAsComposeRunsIt starts the collector and the shop as separate
// processes, all at once, by the commands, variables, files and health checks
// of docker-compose.yml, on a PostgreSQL server that begins with its file. Only what
// a container would have of its own is replaced: host names, the addresses that it
// listens on, and its folders. An order is placed, and its mail arrives; a fault is
// switched on and off; services are killed and come again in another order; and when
// nobody orders any more, the books balance.
func TestTheShopRunsAsComposeRunsIt(t *testing.T) {
	stack := newStack(t)
	for name, s := range stack.project.Services {
		if ours(s) {
			stack.start(t, name, s)
		}
	}
	for name, s := range stack.project.Services {
		if ours(s) {
			stack.waitHealthy(t, name, s)
		}
	}
	trace := stack.mustPlace(t, http.StatusCreated)
	stack.waitTraced(t)
	eventually(t, "the order's mail", func() error { return stack.mail.arrived(trace) })
	stack.fault(t, "on", "cards-declined")
	stack.mustPlace(t, http.StatusPaymentRequired)
	stack.fault(t, "off", "cards-declined")
	stack.restart(t, "payment", "user", "order", "inventory", "notification", "psp")
	trace = stack.mustPlace(t, http.StatusCreated)
	eventually(t, "the mail of an order after the restart", func() error { return stack.mail.arrived(trace) })
	stack.audit(t)
	// As Compose does, the collector comes last: what the others had to say
	// when they were stopped has reached it.
	slices.SortStableFunc(stack.running, func(a, b *container) int { return byRole(a.name) - byRole(b.name) })
	for _, c := range stack.running {
		c.stopInTime(t)
	}
}

// byRole sorts whoever places orders first, and whoever receives telemetry last.
func byRole(name string) int {
	return map[string]int{"shopper": -2, "gateway": -1, "collector": 1}[name]
}

// stack is what of the Compose project runs here.
type stack struct {
	project   *types.Project
	binaries  string // folder of the commands, which a container has in /
	faults    string // folder of the volume that all share
	addresses map[string]string
	database  *url.URL // of a database of the server
	mail      *mailServer
	running   []*container
}

func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{project: project(t), binaries: t.TempDir(), faults: t.TempDir(), addresses: map[string]string{}}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", s.binaries+"/", "./cmd/demo", "./cmd/collector")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	s.startNATS(t)
	s.startPostgreSQL(t)
	s.startMail(t)
	return s
}

// address is where a port of a service is in this test. Its port is below those
// that the kernel hands out, so that nobody gets it by chance before the
// service does.
func (s *stack) address(t *testing.T, service, port string) string {
	t.Helper()
	key := service + ":" + port
	for range 100 {
		if s.addresses[key] != "" {
			return s.addresses[key]
		}
		at := fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000))
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", at)
		if err != nil {
			continue
		}
		_ = listener.Close()
		if !slices.Contains(slices.Collect(maps.Values(s.addresses)), at) {
			s.addresses[key] = at
		}
	}
	t.Fatal("no free port found")
	return ""
}

// hostPort is an address as the files of the project write it: of a service,
// or of the container itself.
var hostPort = regexp.MustCompile(`\b([a-z]+|0\.0\.0\.0|127\.0\.0\.1):(\d{4,5})\b`)

// here replaces the addresses in a text that is inside the service's container.
func (s *stack) here(t *testing.T, service, text string) string {
	t.Helper()
	return hostPort.ReplaceAllStringFunc(text, func(found string) string {
		host, port, _ := strings.Cut(found, ":")
		if host == "0.0.0.0" || host == "127.0.0.1" {
			return s.address(t, service, port)
		}
		if _, known := s.project.Services[host]; known {
			return s.address(t, host, port)
		}
		return found
	})
}

// container is one process, and what it has said.
type container struct {
	name   string
	cmd    *exec.Cmd
	output bytes.Buffer
	exited chan struct{}
	failed error // how it ended, once exited is closed
}

// start runs a service's command with its environment and nothing else.
func (s *stack) start(t *testing.T, name string, service types.ServiceConfig) {
	t.Helper()
	files := strings.NewReplacer("/data", t.TempDir(), "/faults", s.faults)
	for _, v := range service.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		content, err := os.ReadFile(v.Source)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), filepath.Base(v.Target))
		if err := os.WriteFile(path, []byte(s.here(t, name, files.Replace(string(content)))), 0o600); err != nil {
			t.Fatal(err)
		}
		files = strings.NewReplacer("/data", t.TempDir(), v.Target, path)
	}
	var args []string
	for _, argument := range service.Command {
		args = append(args, s.here(t, name, files.Replace(argument)))
	}
	c := &container{name: name, cmd: exec.Command(filepath.Join(s.binaries, service.Entrypoint[0]), args...), exited: make(chan struct{})} //nolint:noctx // it is stopped by a signal
	c.cmd.Dir = t.TempDir()
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	c.cmd.Env = []string{"TMPDIR=" + t.TempDir()}
	for key, value := range service.Environment {
		if key == "DATABASE_URL" {
			c.cmd.Env = append(c.cmd.Env, key+"="+s.databaseHere(t, *value))
			continue
		}
		c.cmd.Env = append(c.cmd.Env, key+"="+s.here(t, name, files.Replace(*value)))
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		c.failed = c.cmd.Wait()
		close(c.exited)
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // it may have ended
		<-c.exited
		if t.Failed() {
			t.Logf("%s said:\n%s", name, c.output.String())
		}
	})
	s.running = append(s.running, c)
}

// stopInTime asks the process to end, as Compose does, which kills it 10 s later.
func (c *container) stopInTime(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("stop %s: %v", c.name, err)
		return
	}
	select {
	case <-c.exited:
		if c.failed != nil {
			t.Errorf("%s was stopped: %v", c.name, c.failed)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("%s does not stop within 10 s", c.name)
	}
}

// eventually repeats try until it returns nil.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	const patience = time.Minute
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
	}
}

// waitHealthy runs a service's health check until it passes.
func (s *stack) waitHealthy(t *testing.T, name string, service types.ServiceConfig) {
	t.Helper()
	test := service.HealthCheck.Test[1:] // the first word is CMD
	eventually(t, name+" is healthy", func() error {
		url := s.here(t, name, test[len(test)-1])
		check := exec.CommandContext(t.Context(), filepath.Join(s.binaries, test[0]), append(test[1:len(test)-1:len(test)-1], url)...)
		out, err := check.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return err
	})
}

// place sends an order, and returns the answer's status and trace.
func (s *stack) place(t *testing.T) (status int, trace string, err error) {
	t.Helper()
	const order = `{"user_id":"usr_ada","currency":"EUR","card_token":"tok_visa","items":[{"item_id":"itm_coffee","quantity":1}]}`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+s.address(t, "gateway", "8080")+"/api/v1/orders", strings.NewReader(order))
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Header.Get("x-trace-id"), err
}

// mustPlace places orders until one is answered so, which is the first unless
// services have just been started or told something, and returns its trace.
func (s *stack) mustPlace(t *testing.T, want int) (trace string) {
	t.Helper()
	eventually(t, fmt.Sprintf("an order is answered %d", want), func() error {
		status, id, err := s.place(t)
		if err == nil && (status != want || id == "") {
			err = fmt.Errorf("it is answered %d, in trace %q", status, id)
		}
		trace = id
		return err
	})
	return trace
}

// fault switches as `docker compose exec order /demo fault` does.
func (s *stack) fault(t *testing.T, words ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(s.binaries, "demo"), append([]string{"fault"}, words...)...)
	file := *s.project.Services["order"].Environment["FAULTS_FILE"]
	cmd.Env = []string{"FAULTS_FILE=" + strings.Replace(file, "/faults", s.faults, 1)}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("demo fault %v: %v\n%s", words, err, out)
	}
}

// audit ends the shopper, and compares all databases and the bus by Compose's tool. It
// is patient: what killed services were at is left alone until their leases end.
func (s *stack) audit(t *testing.T) {
	t.Helper()
	i := slices.IndexFunc(s.running, func(c *container) bool { return c.name == "shopper" })
	s.running[i].stopInTime(t)
	s.running = slices.Delete(s.running, i, i+1)
	tool := s.project.DisabledServices["audit"]
	var urls []string
	for one := range strings.FieldsSeq(*tool.Environment["DATABASE_URL"]) {
		urls = append(urls, s.databaseHere(t, one))
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(s.binaries, tool.Entrypoint[0]), append(tool.Command, "--wait", "2m")...)
	cmd.Env = []string{"DATABASE_URL=" + strings.Join(urls, " "), "NATS_URL=" + s.here(t, "audit", *tool.Environment["NATS_URL"])}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "the books balance") {
		t.Errorf("the audit: %v\n%s", err, out)
	}
}

// restart kills services without a word, and starts them again, the last first.
func (s *stack) restart(t *testing.T, names ...string) {
	t.Helper()
	s.running = slices.DeleteFunc(s.running, func(c *container) bool {
		killed := slices.Contains(names, c.name)
		if killed {
			_ = c.cmd.Process.Kill() // It may have ended; then the rest of the test says so.
			<-c.exited
		}
		return killed
	})
	for _, name := range slices.Backward(names) {
		s.start(t, name, s.project.Services[name])
	}
	for _, name := range names {
		s.waitHealthy(t, name, s.project.Services[name])
	}
}

// waitTraced waits until the collector has derived metrics from spans of every
// service, although none of the backends that it forwards to is there.
func (s *stack) waitTraced(t *testing.T) {
	t.Helper()
	eventually(t, "the collector has spans of all", func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.address(t, "collector", "8889")+"/metrics", nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		var errs []error
		for _, name := range shop() {
			if name != "shopper" && !strings.Contains(string(body), `service_name="`+name+`"`) {
				errs = append(errs, errors.New("no spans of "+name))
			}
		}
		return errors.Join(errs...)
	})
}
