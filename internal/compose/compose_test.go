package compose

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/waybill-dev/waybill/collector"
)

const root = "../.."

// project reads docker-compose.yml as Compose does.
func project(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithDiscardEnvFile)
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shop are the services that cmd/demo runs.
func shop() []string {
	return []string{"gateway", "inventory", "notification", "order", "payment", "psp", "shopper", "user"}
}

// ours says whether the service runs the image that is built here.
func ours(s types.ServiceConfig) bool { return s.Build != nil }

func TestTheStackIsWhole(t *testing.T) {
	want := slices.Concat(shop(), []string{"collector", "grafana", "jaeger", "loki", "mailpit", "nats", "postgresql", "prometheus"})
	slices.Sort(want)
	got := slices.Sorted(maps.Keys(project(t).Services))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("other services (-want +got):\n%s", diff)
	}
}

func TestImagesArePinned(t *testing.T) {
	// PostgreSQL's releases have two numbers.
	pinned := regexp.MustCompile(`^([a-z]+(/[a-z]+)?:v?\d+\.\d+\.\d+|postgres:\d+\.\d+)(-alpine)?$`)
	for name, s := range project(t).Services {
		if !ours(s) && !pinned.MatchString(s.Image) {
			t.Errorf("%s: the image %q is not pinned to one release", name, s.Image)
		}
		if ours(s) && s.Image != "waybill:dev" {
			t.Errorf("%s: the image that is built is called %q", name, s.Image)
		}
	}
}

// version is the version of a module that a go.mod of this repository asks for.
func version(t *testing.T, file, module string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(regexp.QuoteMeta(module) + ` v(\S+)`).FindSubmatch(content)
	if found == nil {
		t.Fatalf("%s does not ask for %s", file, module)
	}
	return string(found[1])
}

// What the tests run is what Compose runs. Prometheus's module is at v0.316.0
// when its program is at 3.16.0, Jaeger's at v1.76.0 when its program is at
// 2.13.0.
func TestImagesAreTheVersionsThatAreTested(t *testing.T) {
	services := project(t).Services
	prometheus := regexp.MustCompile(`^0\.(\d)(\d\d)\.(\d+)$`).
		ReplaceAllString(version(t, "interop/backends/prometheus/go.mod", "github.com/prometheus/prometheus"), "$1.$2.$3")
	want := map[string]string{
		"nats":       "nats:" + version(t, "go.mod", "github.com/nats-io/nats-server/v2") + "-alpine",
		"prometheus": "prom/prometheus:v" + prometheus,
		"mailpit":    "axllent/mailpit:v" + version(t, "interop/backends/mailpit/go.mod", "github.com/axllent/mailpit"),
		"loki":       "grafana/loki:" + version(t, "interop/backends/loki/go.mod", "github.com/grafana/loki/v3"),
		"jaeger":     "jaegertracing/jaeger:" + map[string]string{"1.76.0": "2.13.0"}[version(t, "interop/backends/jaeger/go.mod", "github.com/jaegertracing/jaeger")],
	}
	for name, image := range want {
		if got := services[name].Image; got != image {
			t.Errorf("%s: Compose runs %s, the tests run %s", name, got, image)
		}
	}
}

func TestEveryServiceIsBoundedAndWatched(t *testing.T) {
	for name, s := range project(t).Services {
		if s.HealthCheck == nil || s.HealthCheck.Disable || len(s.HealthCheck.Test) < 2 || s.HealthCheck.Test[0] != "CMD" {
			t.Errorf("%s: want a health check that needs no shell, got %+v", name, s.HealthCheck)
		} else if s.HealthCheck.Interval == nil || s.HealthCheck.Timeout == nil || s.HealthCheck.Retries == nil {
			t.Errorf("%s: the health check has no times: %+v", name, s.HealthCheck)
		}
		if s.Restart != "unless-stopped" {
			t.Errorf("%s: restart is %q", name, s.Restart)
		}
		if s.MemLimit <= 0 || s.CPUS <= 0 || s.PidsLimit <= 0 {
			t.Errorf("%s: want limits of memory, CPU and processes, got %d, %v, %d", name, s.MemLimit, s.CPUS, s.PidsLimit)
		}
		if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || s.Privileged {
			t.Errorf("%s: it may gain privileges", name)
		}
		if ours(s) && (!s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"})) {
			t.Errorf("%s: want a read-only file system and no capabilities", name)
		}
	}
}

func TestPortsAreOnLoopback(t *testing.T) {
	want := map[string]string{
		"3000": "grafana", "3100": "loki", "4317": "collector", "4318": "collector", "8025": "mailpit", "8080": "gateway",
		"8889": "collector", "9090": "prometheus", "13133": "collector", "16686": "jaeger",
		"5778": "collector", "6831/udp": "collector", "6832/udp": "collector", "9411": "collector", "14250": "collector", "14268": "collector",
	}
	got := map[string]string{}
	for name, s := range project(t).Services {
		for _, port := range s.Ports {
			published := port.Published
			if port.Protocol != "tcp" {
				published += "/" + port.Protocol
			}
			got[published] = name
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s: port %s is published on %q", name, port.Published, port.HostIP)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("other ports (-want +got):\n%s", diff)
	}
}

func TestDependenciesAreHealthy(t *testing.T) {
	services := project(t).Services
	for name, s := range services {
		for other, dependency := range s.DependsOn {
			if dependency.Condition != types.ServiceConditionHealthy {
				t.Errorf("%s starts when %s is at %s", name, other, dependency.Condition)
			}
		}
		if slices.Contains(shop(), name) && !slices.Contains(reached(services, name), "collector") {
			t.Errorf("%s does not wait for the collector", name)
		}
	}
	if waits := services["collector"].DependsOn; len(waits) > 0 {
		t.Errorf("the collector waits for %v, although its journal keeps what it can't forward", waits)
	}
}

// reached are the services that one waits for, at first or second hand.
func reached(services types.Services, name string) []string {
	var all []string
	for other := range services[name].DependsOn {
		all = append(all, other)
		all = append(all, reached(services, other)...)
	}
	return all
}

func TestMountedFilesAreThere(t *testing.T) {
	p := project(t)
	for name, s := range p.Services {
		for _, v := range s.Volumes {
			switch v.Type {
			case types.VolumeTypeBind:
				if _, err := os.Stat(v.Source); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if !v.ReadOnly {
					t.Errorf("%s may change %s", name, v.Source)
				}
			case types.VolumeTypeVolume:
				if _, declared := p.Volumes[v.Source]; !declared {
					t.Errorf("%s: nobody declares the volume %s", name, v.Source)
				}
			default:
				t.Errorf("%s: a mount of type %s", name, v.Type)
			}
		}
	}
}

// TestNothingIsSecret finds no password but the one that says what it is for, and
// that only of a server which is not published.
func TestNothingIsSecret(t *testing.T) {
	p := project(t)
	if len(p.Secrets) > 0 {
		t.Errorf("there are secrets: %v", p.Secrets)
	}
	secret := regexp.MustCompile(`(?i)password|secret|token|api_?key`)
	for name, s := range p.Services {
		for variable, value := range s.Environment {
			if secret.MatchString(variable) && (name != "postgresql" || *value != development) {
				t.Errorf("%s: %s looks like a secret", name, variable)
			}
			at, err := url.Parse(*value)
			if password, has := at.User.Password(); err == nil && has && (at.Hostname() != "postgresql" || password != development) {
				t.Errorf("%s: %s has a password", name, variable)
			}
		}
	}
	grafana := p.Services["grafana"].Environment
	for variable, want := range map[string]string{
		"GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
		"GF_AUTH_DISABLE_LOGIN_FORM": "true", "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
	} {
		if got := grafana[variable]; got == nil || *got != want {
			t.Errorf("Grafana: want %s=%s", variable, want)
		}
	}
}

// TestPublishedPortsAreListenedOn compares what is published of the collector
// with where it listens: on all addresses of its container, on the same port.
func TestPublishedPortsAreListenedOn(t *testing.T) {
	getenv := func(string) (string, bool) { return "", false }
	cfg, err := collector.Load(filepath.Join(root, "deploy", "collector.yaml"), getenv, nil)
	if err != nil {
		t.Fatal(err)
	}
	tcp, udp := "tcp", "udp"
	listens := map[string]string{
		cfg.Receive.OTLP.GRPC.Address: tcp, cfg.Receive.OTLP.HTTP.Address: tcp, cfg.Receive.Zipkin.Address: tcp,
		cfg.Receive.Jaeger.GRPC.Address: tcp, cfg.Receive.Jaeger.ThriftHTTP.Address: tcp, cfg.Receive.Jaeger.Sampling.Address: tcp,
		cfg.Receive.Jaeger.ThriftCompact.Address: udp, cfg.Receive.Jaeger.ThriftBinary.Address: udp,
		cfg.Derive.Address: tcp, cfg.Admin.Address: tcp,
	}
	published := map[string]string{}
	for _, port := range project(t).Services["collector"].Ports {
		if port.Published != strconv.Itoa(int(port.Target)) {
			t.Errorf("port %d is published as %s", port.Target, port.Published)
		}
		published["0.0.0.0:"+port.Published] = port.Protocol
	}
	if diff := cmp.Diff(listens, published); diff != "" {
		t.Errorf("listened on, and published (-listens +published):\n%s", diff)
	}
}

// TestCollectorConfiguration has the collector read its file, and follows each
// of its addresses to the service that listens there.
func TestCollectorConfiguration(t *testing.T) {
	file := filepath.Join(root, "deploy", "collector.yaml")
	getenv := func(string) (string, bool) { return "", false }
	if _, err := collector.Load(file, getenv, nil); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var cfg struct {
		Journal struct {
			Dir string `yaml:"dir"`
		} `yaml:"journal"`
		Export map[string]struct {
			Endpoint string `yaml:"endpoint"`
		} `yaml:"export"`
	}
	if err := yaml.Unmarshal(content, &cfg); err != nil {
		t.Fatal(err)
	}
	services := project(t).Services
	want := map[string]string{"traces": "jaeger:4318", "metrics": "prometheus:9090", "logs": "loki:3100"}
	for signal, export := range cfg.Export {
		endpoint, err := url.Parse(export.Endpoint)
		if err != nil {
			t.Fatal(err)
		}
		if endpoint.Host != want[signal] {
			t.Errorf("%s go to %s, want %s", signal, endpoint.Host, want[signal])
		}
		if _, there := services[endpoint.Hostname()]; !there {
			t.Errorf("%s go to %s, which nobody is", signal, endpoint.Hostname())
		}
	}
	if len(cfg.Export) != len(want) {
		t.Errorf("exported are %v, want %v", cfg.Export, want)
	}
	mounted := func(v types.ServiceVolumeConfig) bool {
		return v.Type == types.VolumeTypeVolume && strings.HasPrefix(cfg.Journal.Dir, v.Target+"/")
	}
	if !slices.ContainsFunc(services["collector"].Volumes, mounted) {
		t.Errorf("the journal at %q is in no volume", cfg.Journal.Dir)
	}
}
