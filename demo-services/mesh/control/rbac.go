package control

import (
	"maps"
	"slices"

	rbacconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/waybill-dev/waybill/demo-services/mesh"
)

// healthMethods may be called by every member, as with the guard of package mesh.
const healthMethods = "grpc.health.v1.Health"

// guard is the policy for calls of the service, as a sidecar enforces it. What
// no rule allows is answered 403, or PermissionDenied if it is gRPC.
func guard(policy mesh.Policy, route Route) *rbacv3.RBAC {
	rules := map[string]*rbacconfigv3.Policy{}
	callers := policy.Callers(route.Service)
	for _, caller := range slices.Sorted(maps.Keys(callers)) {
		var methods []*rbacconfigv3.Permission
		for _, method := range callers[caller] {
			methods = append(methods, permission(mesh.PathOf(method)))
		}
		rules[caller] = rule(methods, exactly(idOf(caller)))
	}
	if !route.HTTP {
		rules[healthMethods] = rule([]*rbacconfigv3.Permission{permission("/"+healthMethods+"/", true)}, beginsWith(anyMember()))
	}
	return &rbacv3.RBAC{
		Rules: &rbacconfigv3.RBAC{Action: rbacconfigv3.RBAC_ALLOW, Policies: rules},
	}
}

func rule(methods []*rbacconfigv3.Permission, caller *matcherv3.StringMatcher) *rbacconfigv3.Policy {
	return &rbacconfigv3.Policy{
		Permissions: methods,
		Principals: []*rbacconfigv3.Principal{{Identifier: &rbacconfigv3.Principal_Authenticated_{
			Authenticated: &rbacconfigv3.Principal_Authenticated{PrincipalName: caller},
		}}},
	}
}

// permission is for a path, without its query.
func permission(path string, beneath bool) *rbacconfigv3.Permission {
	matcher := exactly(path)
	if beneath {
		matcher = beginsWith(path)
	}
	return &rbacconfigv3.Permission{Rule: &rbacconfigv3.Permission_UrlPath{
		UrlPath: &matcherv3.PathMatcher{Rule: &matcherv3.PathMatcher_Path{Path: matcher}},
	}}
}
