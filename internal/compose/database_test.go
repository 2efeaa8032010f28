package compose

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// development is the only password that there is, and what it is good for.
const development = "development"

// databases are the services that have one.
func databases() []string {
	return []string{"inventory", "notification", "order", "payment", "psp", "user"}
}

// statements are those of the file that the server starts with.
func statements(t *testing.T) []string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "deploy", "postgresql.sql"))
	if err != nil {
		t.Fatal(err)
	}
	plain := regexp.MustCompile(`(?m)^--.*$`).ReplaceAllString(string(content), "")
	var all []string
	for statement := range strings.SplitSeq(plain, ";") {
		if statement = strings.TrimSpace(statement); statement != "" {
			all = append(all, statement)
		}
	}
	return all
}

// TestEachServiceHasItsDatabase compares where each service looks for its database
// with what the server starts with: a database and an account of its own.
func TestEachServiceHasItsDatabase(t *testing.T) {
	var want []string
	services := project(t).Services
	for _, name := range shop() {
		value := services[name].Environment["DATABASE_URL"]
		if (value != nil) != slices.Contains(databases(), name) {
			t.Errorf("%s: its database is %v", name, value)
		}
		if value == nil {
			continue
		}
		at, err := url.Parse(*value)
		if err != nil {
			t.Fatal(err)
		}
		if at.Scheme != "postgres" || at.Host != "postgresql:5432" || at.User.Username() != name || at.Path != "/"+name {
			t.Errorf("%s: its database is %s", name, at.Redacted())
		}
		want = append(want,
			`CREATE ROLE "`+name+`" LOGIN PASSWORD '`+development+`'`,
			`CREATE DATABASE "`+name+`" OWNER "`+name+`"`,
			`REVOKE ALL ON DATABASE "`+name+`" FROM PUBLIC`)
		if _, waits := services[name].DependsOn["postgresql"]; !waits {
			t.Errorf("%s does not wait for its database", name)
		}
	}
	got := statements(t)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("deploy/postgresql.sql (-want +got):\n%s", diff)
	}
}

// TestTheAuditReadsAllBooks compares where it looks with where the services do.
func TestTheAuditReadsAllBooks(t *testing.T) {
	p := project(t)
	var want []string
	for _, name := range databases() {
		want = append(want, *p.Services[name].Environment["DATABASE_URL"])
	}
	tool := p.DisabledServices["audit"]
	if diff := cmp.Diff(want, strings.Fields(*tool.Environment["DATABASE_URL"])); diff != "" {
		t.Errorf("the audit reads (-want +got):\n%s", diff)
	}
	if !slices.Equal(tool.Profiles, []string{"tools"}) || tool.Restart != "no" {
		t.Errorf("the audit runs unasked: %v, %s", tool.Profiles, tool.Restart)
	}
}

// TestFaultsAreInOneFile finds the file of faults in a volume that all services share,
// and that the image has a folder for, so that its user may write.
func TestFaultsAreInOneFile(t *testing.T) {
	services := project(t).Services
	for _, name := range shop() {
		if name == "shopper" {
			continue // it breaks nothing
		}
		s := services[name]
		file := s.Environment["FAULTS_FILE"]
		if file == nil || *file != "/faults/flags.json" || len(s.Volumes) != 1 || s.Volumes[0].Source != "faults" || s.Volumes[0].Target != "/faults" {
			t.Errorf("%s: its faults are %v in %v", name, file, s.Volumes)
		}
	}
	if !slices.Contains(instructions(t), "COPY --from=build --chown=65532:65532 /empty /faults") {
		t.Error("the image has no /faults: a volume that is mounted there would be root's")
	}
}
