package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// result is what one run has cost, and what the sink has counted.
type result struct {
	Spans, Bytes, Duplicates uint64
	made                     uint64
	cpu, took                time.Duration
}

func (r result) cost() float64  { return r.cpu.Seconds() / float64(max(r.Spans, 1)) * 1e6 }
func (r result) speed() float64 { return float64(r.Spans) / r.took.Seconds() }
func (r result) size() float64  { return float64(r.Bytes) / float64(max(r.Spans, 1)) }
func (r result) share() float64 {
	return float64(r.Spans) / float64(max(r.made, 1)) * min(float64(r.made), 1)
}

// measure runs a subject into a sink of its own, which keeps every span to
// find those that come twice.
func measure(ctx context.Context, tracegen string, s subject) (result, error) {
	sink, err := startSink(ctx, tracegen)
	if err != nil {
		return result{}, err
	}
	defer sink.stop()
	args := make([]string, 0, len(s.args))
	for _, arg := range s.args {
		args = append(args, strings.ReplaceAll(arg, "%s", sink.grpc))
	}
	cmd := exec.CommandContext(ctx, s.binary, args...) //nolint:gosec // the commands are those of subjects
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		return result{}, fmt.Errorf("%w\n%s", err, out)
	}
	r, err := sink.counts(ctx)
	r.took, r.cpu, r.made = took, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime(), s.made(string(out))
	return r, err
}

func madeByTracegen(output string) uint64 {
	return number(regexp.MustCompile(`made +\d+ +\d+ +(\d+)`).FindStringSubmatch(output))
}

// madeByTelemetrygen adds up what its workers tell.
func madeByTelemetrygen(output string) uint64 {
	total := uint64(0)
	for _, found := range regexp.MustCompile(`traces generated.*"traces": (\d+)`).FindAllStringSubmatch(output, -1) {
		total += number(found)
	}
	return total * (children + 1)
}

func number(found []string) uint64 {
	if found == nil {
		return 0
	}
	n, err := strconv.ParseUint(found[1], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// sink is tracegen's own, as a process.
type sink struct {
	cmd        *exec.Cmd
	grpc, http string
}

func startSink(ctx context.Context, tracegen string, more ...string) (*sink, error) {
	args := append([]string{"sink", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"}, more...)
	s := &sink{cmd: exec.CommandContext(ctx, tracegen, args...)} //nolint:gosec // the program was built a moment ago
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for s.http == "" && lines.Scan() {
		switch kind, at, _ := strings.Cut(lines.Text(), "  "); kind {
		case "grpc":
			s.grpc = at
		case "http":
			s.http = at
		}
	}
	if s.http == "" {
		s.stop()
		return nil, errors.New("the sink does not say where it is")
	}
	return s, nil
}

func (s *sink) counts(ctx context.Context) (result, error) {
	var r result
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.http+"/counts", nil)
	if err != nil {
		return r, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return r, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(body, &r)
}

func (s *sink) stop() {
	_ = s.cmd.Process.Signal(os.Interrupt) // it may have ended
	_ = s.cmd.Wait()                       // what it says is known
}
