package mesh

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed policy.yaml
var shopPolicy []byte

// Policy says who may call what. The zero value lets nobody call anything. Safe
// for concurrent use.
type Policy struct {
	allowed map[rule]struct{}
}

// rule lets one service call a method of another.
type rule struct{ service, method, caller string }

// ShopPolicy is that of the shop.
func ShopPolicy() (Policy, error) { return ParsePolicy(shopPolicy) }

// ParsePolicy reads a policy in YAML: for each service, for each of its callers,
// the methods as package.Service/Method. There are no wildcards, so that a
// method that is new is nobody's until somebody is given it. What a proxy guards
// and is no gRPC has paths, as HTTP /path, or HTTP /path/ for all beneath it.
func ParsePolicy(text []byte) (Policy, error) {
	var table map[string]map[string][]string
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&table); err != nil && !errors.Is(err, io.EOF) {
		return Policy{}, fmt.Errorf("read policy: %w", err)
	}
	policy := Policy{allowed: map[rule]struct{}{}}
	for service, callers := range table {
		for caller, methods := range callers {
			for _, method := range methods {
				if err := checkRule(service, caller, method); err != nil {
					return Policy{}, fmt.Errorf("policy of %s for %s: %w", service, caller, err)
				}
				policy.allowed[rule{service, method, caller}] = struct{}{}
			}
		}
	}
	return policy, nil
}

func checkRule(service, caller, method string) error {
	for _, name := range []string{service, caller} {
		if _, err := ID(name); err != nil {
			return err
		}
	}
	if path, is := strings.CutPrefix(method, methodHTTP); is && strings.HasPrefix(path, "/") && !strings.ContainsAny(path, "* ?#%") {
		return nil
	}
	of, name, _ := strings.Cut(method, "/")
	if of == "" || name == "" || strings.ContainsAny(method, "* ") || strings.Contains(name, "/") {
		return fmt.Errorf("%q is no method, as in package.Service/Method", method)
	}
	return nil
}

// methodHTTP is before the path in a rule that is about one.
const methodHTTP = "HTTP "

// PathOf is the HTTP path of a method of a rule, and whether it stands for
// everything beneath it, too.
func PathOf(method string) (path string, beneath bool) {
	if path, is := strings.CutPrefix(method, methodHTTP); is {
		return path, strings.HasSuffix(path, "/")
	}
	return "/" + method, false
}

// Callers are those of a service, with the methods that they may call, in order.
func (p Policy) Callers(service string) map[string][]string {
	callers := map[string][]string{}
	for r := range p.allowed {
		if r.service == service {
			callers[r.caller] = append(callers[r.caller], r.method)
		}
	}
	for _, methods := range callers {
		slices.Sort(methods)
	}
	return callers
}

// Allows says whether the caller may call the method of the service. Both
// /package.Service/Method, as gRPC has it, and the policy's own form will do.
func (p Policy) Allows(service, caller, method string) bool {
	method = strings.TrimPrefix(method, "/")
	if caller != "" && strings.HasPrefix(method, "grpc.health.v1.Health/") {
		return true
	}
	_, allowed := p.allowed[rule{service, method, caller}]
	return allowed
}
