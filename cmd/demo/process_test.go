package main

import (
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
)

// asProgram makes this test's binary the program that it tests, so that there is
// a process to kill.
const asProgram = "WAYBILL_TEST_AS_PROGRAM"

// process is the program as a process of its own.
type process struct {
	cmd  *exec.Cmd
	said *program // of which only that is known
	gone func() error
}

// startProcess runs the command; the test's end kills it. Where the test fails
// its log has what the process has said.
func startProcess(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{said: &program{out: &output{}, errs: &output{}}}
	p.cmd = exec.Command(os.Args[0], args...) //nolint:noctx // It is killed, not asked to end.
	p.cmd.Env = append(append(os.Environ(), asProgram+"=1"), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.said.out, p.said.errs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.gone = sync.OnceValue(p.cmd.Wait)
	t.Cleanup(func() {
		p.end(t, syscall.SIGKILL)
		if t.Failed() {
			t.Logf("demo %v said:\n%s", args, p.said.errs)
		}
	})
	return p
}

// end sends the signal, and returns when the process is gone. Who is gone
// already has no need of it.
func (p *process) end(t *testing.T, how os.Signal) {
	t.Helper()
	_ = p.cmd.Process.Signal(how)
	_ = p.gone() // It says how the process has ended.
}
