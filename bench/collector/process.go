package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticksPerSecond is the unit of CPU time in /proc on Linux.
const ticksPerSecond = 100

// process is a subject that runs.
type process struct {
	cmd    *exec.Cmd
	log    bytes.Buffer
	exited chan struct{} // closed when err is set
	err    error
	ready  time.Duration // from its start until it took connections
}

// startProcess runs a program and waits until it takes connections at address.
func startProcess(ctx context.Context, address, binary string, args ...string) (*process, error) {
	p := &process{exited: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), binary, args...) //nolint:gosec // the program was built a moment ago
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	for time.Since(began) < 30*time.Second {
		select {
		case <-p.exited:
			return nil, fmt.Errorf("%s ended: %w\n%s", binary, p.err, p.log.String())
		case <-time.After(time.Millisecond):
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			p.ready = time.Since(began)
			return p, conn.Close()
		}
	}
	return nil, errors.Join(fmt.Errorf("%s does not listen at %s", binary, address), p.kill())
}

// cpu is what the process has used until now, its start included.
func (p *process) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may have spaces; user and system time are the
	// 14th and 15th field.
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/PID/stat has the form %q", stat)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticksPerSecond, err
}

// switches is how often its threads have given up a processor until now, whether
// they had to wait or others were due. A thread that has ended counts no more;
// Go keeps its threads.
func (p *process) switches() (int64, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	var all int64
	for _, task := range tasks {
		status, err := os.ReadFile(task) //nolint:gosec // The name is the kernel's.
		if err != nil {
			continue // It has ended.
		}
		for line := range strings.Lines(string(status)) {
			name, value, _ := strings.Cut(line, ":")
			if !strings.HasSuffix(name, "voluntary_ctxt_switches") {
				continue
			}
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s says %q", task, line)
			}
			all += n
		}
	}
	return all, nil
}

// peak is the most memory that was resident, in bytes. The figure of getrusage
// would not do: it begins with what the parent has.
func (p *process) peak() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("/proc/PID/status has no VmHWM")
}

// stop has the process end in good order, within a minute.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.exited:
		if p.err != nil {
			return fmt.Errorf("%w\n%s", p.err, p.log.String())
		}
		return nil
	case <-time.After(time.Minute):
		return errors.Join(errors.New("it did not stop within a minute"), p.kill())
	}
}

// kill is kill -9.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	<-p.exited
	return nil
}
