package compose

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDemoKnowsItsFlags calls cmd/demo as Compose does, with one word more,
// which is what it must complain of: then it has taken all flags before it.
func TestDemoKnowsItsFlags(t *testing.T) {
	demo := filepath.Join(t.TempDir(), "demo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", demo, "./cmd/demo")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build cmd/demo: %v\n%s", err, out)
	}
	services := project(t).Services
	for _, name := range shop() {
		s := services[name]
		if !slices.Equal(s.Entrypoint, []string{"/demo"}) || len(s.Command) == 0 || s.Command[0] != name {
			t.Errorf("%s: it runs %v %v", name, s.Entrypoint, s.Command)
			continue
		}
		cmd := exec.CommandContext(t.Context(), demo, append(slices.Clone(s.Command), "surplus")...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(stderr.String(), `"surplus" is no flag`) {
			t.Errorf("%s: demo %v: %v\n%s", name, s.Command, err, stderr.String())
		}
	}
}

// TestDemoKnowsItsVariables compares the environment of each service with what
// demo-services/README.md says that it reads, and needs.
func TestDemoKnowsItsVariables(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "demo-services", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	variable := regexp.MustCompile("`([A-Z][A-Z_]+[A-Z])`")
	documented := map[string]bool{
		// The README leaves these to the specification.
		"OTEL_METRIC_EXPORT_INTERVAL": true,
	}
	needs := map[string][]string{}
	for line := range strings.Lines(string(content)) {
		cells := strings.Split(line, "|")
		names := variable.FindAllStringSubmatch(line, -1)
		for _, name := range names {
			documented[name[1]] = true
		}
		if len(cells) > 2 && slices.Contains(shop(), strings.TrimSpace(cells[1])) {
			for _, name := range names {
				service := strings.TrimSpace(cells[1])
				needs[service] = append(needs[service], name[1])
			}
		}
	}
	services := project(t).Services
	if len(needs["order"]) != 3 {
		t.Fatalf("the README's table is not read: order needs %v", needs["order"])
	}
	for _, name := range shop() {
		environment := services[name].Environment
		for _, key := range slices.Sorted(maps.Keys(environment)) {
			if !documented[key] {
				t.Errorf("%s: demo-services/README.md does not know %s", name, key)
			}
		}
		for _, key := range needs[name] {
			if value := environment[key]; value == nil || *value == "" {
				t.Errorf("%s needs %s", name, key)
			}
		}
		if _, set := environment["OTEL_EXPORTER_OTLP_ENDPOINT"]; !set && name != "shopper" {
			t.Errorf("%s does not know where the collector is", name)
		}
	}
}

// TestDemoReadsItsVariables compares the environment of each service with what the
// code asks for: documentation may promise more.
func TestDemoReadsItsVariables(t *testing.T) {
	asked := regexp.MustCompile(`\b(?:c\.(?:get)?env\w*|at)\("([A-Z][A-Z_]+)"`)
	named := regexp.MustCompile(`"(OTEL_[A-Z_]+)"`)
	read := map[string]bool{}
	for folder, pattern := range map[string]*regexp.Regexp{"cmd/demo": asked, "middleware": named} {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range pattern.FindAllStringSubmatch(string(content), -1) {
				read[name[1]] = true
			}
		}
	}
	services := project(t).Services
	for _, name := range shop() {
		for key := range services[name].Environment {
			if !read[key] {
				t.Errorf("%s: nothing reads %s", name, key)
			}
		}
	}
}

// TestServicesFindEachOther follows each address in the environment to the
// service that listens on that port.
func TestServicesFindEachOther(t *testing.T) {
	address := regexp.MustCompile(`^(?:[a-z]+://)?([a-z]+):(\d+)$`)
	services := project(t).Services
	found := 0
	for _, name := range shop() {
		for key, value := range services[name].Environment {
			parts := address.FindStringSubmatch(*value)
			if parts == nil {
				continue
			}
			found++
			host, port := parts[1], parts[2]
			switch host {
			case "collector":
				if port != "4318" {
					t.Errorf("%s: %s=%s: the collector takes OTLP over HTTP on 4318", name, key, *value)
				}
			case "nats":
				if port != "4222" {
					t.Errorf("%s: %s=%s: NATS listens on 4222", name, key, *value)
				}
			case "mailpit":
				if port != "1025" {
					t.Errorf("%s: %s=%s: Mailpit takes mail on 1025", name, key, *value)
				}
			default:
				if !slices.Contains(services[host].Command, "0.0.0.0:"+port) {
					t.Errorf("%s: %s=%s: %s listens elsewhere: %v", name, key, *value, host, services[host].Command)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d addresses were found", found)
	}
}

// TestHealthIsAskedWhereItIsServed compares the URL of each health check of the
// shop with the service's listeners.
func TestHealthIsAskedWhereItIsServed(t *testing.T) {
	ask := regexp.MustCompile(`^http://127\.0\.0\.1:(\d+)/healthz$`)
	services := project(t).Services
	for _, name := range shop() {
		if name == "shopper" {
			continue // it serves nothing
		}
		s := services[name]
		test := s.HealthCheck.Test
		parts := ask.FindStringSubmatch(test[len(test)-1])
		if !slices.Equal(test[:len(test)-1], []string{"CMD", "/demo", "health"}) || parts == nil {
			t.Errorf("%s: health check %v", name, test)
			continue
		}
		// The admin listener where there is one, which comes last.
		var last string
		for _, argument := range s.Command {
			if _, port, listens := strings.Cut(argument, "0.0.0.0:"); listens {
				last = port
			}
		}
		if parts[1] != last {
			t.Errorf("%s: health is asked on %s and served on %s", name, parts[1], last)
		}
	}
}
