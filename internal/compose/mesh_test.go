package compose

import (
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
)

// meshProject reads docker-compose.yml as Compose does for the shop behind
// sidecars.
func meshProject(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithEnvFiles(filepath.Join(root, "deploy", "mesh.env")), cli.WithDotEnv, cli.WithDefaultProfiles())
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// members are the services that are in the mesh.
func members() []string {
	return []string{"gateway", "inventory", "notification", "order", "payment", "payment-v2", "user"}
}

// TestTheMeshIsWhole has a sidecar for each member, and nothing else but the
// control plane and the way in beside the rest of the stack.
func TestTheMeshIsWhole(t *testing.T) {
	want := slices.Collect(maps.Keys(project(t).Services))
	want = append(want, "mesh", "ingress", "payment-v2")
	for _, name := range members() {
		want = append(want, name+"-sidecar")
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(meshProject(t).Services))); diff != "" {
		t.Errorf("services of the mesh (-want +got):\n%s", diff)
	}
}

// TestEnvoysHaveOneInvitation looks at who each Envoy is, and which secrets it
// can read.
func TestEnvoysHaveOneInvitation(t *testing.T) {
	services := meshProject(t).Services
	envoys := map[string][2]string{"ingress": {"ingress", "ingress"}} // node and network
	for _, name := range members() {
		envoys[name+"-sidecar"] = [2]string{"sidecar", name}
	}
	for name, of := range envoys {
		s := services[name]
		member := strings.TrimSuffix(of[1], "-v2")
		command := strings.Join(s.Command, " ")
		for _, part := range []string{"--config-path /etc/envoy/waybill.yaml", "--service-node " + of[0] + "/" + member + " ", "--service-cluster " + member + " "} {
			if !strings.Contains(command, part) {
				t.Errorf("%s: there is no %q in %q", name, part, command)
			}
		}
		var mounts []string
		for _, v := range s.Volumes {
			subpath := ""
			if v.Volume != nil {
				subpath = " " + v.Volume.Subpath
			}
			if !v.ReadOnly {
				t.Errorf("%s may change %s", name, v.Target)
			}
			mounts = append(mounts, filepath.Base(v.Source)+subpath+" at "+v.Target)
		}
		if diff := cmp.Diff([]string{"envoy.yaml at /etc/envoy/waybill.yaml", "mesh-data members/" + member + " at /mesh"}, mounts); diff != "" {
			t.Errorf("%s has other files (-want +got):\n%s", name, diff)
		}
		network := ""
		if of[0] == "sidecar" {
			network = "service:" + of[1]
		}
		if s.NetworkMode != network || s.User != "65532:65532" || !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) {
			t.Errorf("%s: network %q, user %q, read-only %v, without %v", name, s.NetworkMode, s.User, s.ReadOnly, s.CapDrop)
		}
		if s.MemLimit <= 0 || s.CPUS <= 0 || s.PidsLimit <= 0 || s.HealthCheck == nil || s.Image != services["ingress"].Image {
			t.Errorf("%s is not bounded, not watched or another Envoy", name)
		}
		if _, waits := s.DependsOn["mesh"]; !waits {
			t.Errorf("%s does not wait for its invitation", name)
		}
	}
}

// TestDemoKnowsTheMeshsFlags calls cmd/demo for what the mesh adds, as
// TestDemoKnowsItsFlags does.
func TestDemoKnowsTheMeshsFlags(t *testing.T) {
	demo := filepath.Join(t.TempDir(), "demo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", demo, "./cmd/demo")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build cmd/demo: %v\n%s", err, out)
	}
	services := meshProject(t).Services
	for _, name := range append(members(), "mesh") {
		s := services[name]
		cmd := exec.CommandContext(t.Context(), demo, append(slices.Clone(s.Command), "surplus")...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), `"surplus" is no flag`) {
			t.Errorf("%s: demo %v: %v\n%s", name, s.Command, err, out)
		}
		if _, waits := s.DependsOn["collector"]; !waits || s.Image != "waybill:dev" {
			t.Errorf("%s runs %s, and waits for %v", name, s.Image, s.DependsOn)
		}
	}
}

// TestEnvoyKnowsWhatItIsTold has Compose run the Envoy whose messages the control
// plane is built with.
func TestEnvoyKnowsWhatItIsTold(t *testing.T) {
	minor := regexp.MustCompile(`^\d+\.\d+\.`).FindString(version(t, "go.mod", "github.com/envoyproxy/go-control-plane/envoy"))
	if image := meshProject(t).Services["ingress"].Image; !strings.HasPrefix(image, "envoyproxy/envoy:v"+minor) {
		t.Errorf("Compose runs %s, and the control plane's messages are of %s", image, minor)
	}
}

// TestNobodyGoesAroundTheMesh has services in it listen to their sidecars alone,
// call them alone, and be known by their ports.
func TestNobodyGoesAroundTheMesh(t *testing.T) {
	services := meshProject(t).Services
	for _, name := range members() {
		s := services[name]
		at := slices.Index(s.Command, "--listen") + 1
		if at == 0 || !strings.HasPrefix(s.Command[at], "127.0.0.1:") {
			t.Errorf("%s listens as %v", name, s.Command)
		}
		for _, variable := range []string{"USER_ADDR", "ORDER_ADDR", "INVENTORY_ADDR", "PAYMENT_ADDR"} {
			if value := s.Environment[variable]; value != nil && !strings.HasPrefix(*value, "127.0.0.1:") {
				t.Errorf("%s calls %s", name, *value)
			}
		}
		want := map[string]string{"REGISTRY_URL": "nats://nats:4222", "ADVERTISE_ADDR": ":15006"}
		for variable, value := range want {
			if got := s.Environment[variable]; got == nil || *got != value {
				t.Errorf("%s: want %s=%s", name, variable, value)
			}
		}
	}
	versions := map[string]string{"payment": "v1", "payment-v2": "v2"}
	for name, want := range versions {
		if got := services[name].Environment["INSTANCE_VERSION"]; got == nil || *got != want {
			t.Errorf("%s is of another version than %s", name, want)
		}
	}
	if diff := cmp.Diff(*services["payment"].Environment["DATABASE_URL"], *services["payment-v2"].Environment["DATABASE_URL"]); diff != "" {
		t.Errorf("the canary has another database:\n%s", diff)
	}
	if got := services["ingress"].Ports[0]; got.Published != "8080" || got.Target != 8080 || got.HostIP != "127.0.0.1" {
		t.Errorf("the way in is published as %+v", got)
	}
	if got := *services["shopper"].Environment["GATEWAY_URL"]; got != "http://ingress:8080" {
		t.Errorf("customers come to %s", got)
	}
}
