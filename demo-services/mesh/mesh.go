// Package mesh is a service's part in the mesh: who it is, whom it may believe,
// and whom it lets call what. Package control is the mesh's other part.
//
// A member has a certificate that lasts for an hour and is replaced while the
// service runs; it comes by the SPIFFE Workload API and never touches a disk.
// Both sides of a connection show theirs. Targets such as xds:///inventory are
// found by xDS, without a proxy. What no rule of the policy allows is refused.
package mesh

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Scheme is that of the mesh's targets: xds:///inventory.
const Scheme = "xds"

// TrustDomain is the mesh's: its members believe nobody else.
var TrustDomain = spiffeid.RequireTrustDomainFromString("shop.waybill")

// names are what services are called.
var names = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

const path = "/service/"

// ID is a service's: spiffe://shop.waybill/service/NAME.
func ID(service string) (spiffeid.ID, error) {
	if !names.MatchString(service) {
		return spiffeid.ID{}, fmt.Errorf("a service can't be called %q", service)
	}
	return spiffeid.FromPath(TrustDomain, path+service)
}

// ServiceOf is whose ID it is; empty if it is no service's of the mesh.
func ServiceOf(id spiffeid.ID) string {
	name, found := strings.CutPrefix(id.Path(), path)
	if !found || !id.MemberOf(TrustDomain) || !names.MatchString(name) {
		return ""
	}
	return name
}
