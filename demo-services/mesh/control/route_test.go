package control

import (
	"fmt"
	"testing"

	"github.com/waybill-dev/waybill/demo-services/registry"
)

// TestNoCallIsLostBetweenPlacesAndRoutes goes from each set of instances to each
// other, and has a client learn of one of the two first. A route may never lead
// to a cluster without anybody while there is somebody, nor a version that has no
// share get calls while one that has is there before and after.
func TestNoCallIsLostBetweenPlacesAndRoutes(t *testing.T) {
	route := Route{Service: "payment", Split: map[string]uint32{"v1": 80, "v2": 20, "off": 0}}
	versions := []string{"v1", "v2", "off", "v3"}
	placesOf := func(present int) map[string][]endpoint {
		var instances []registry.Instance
		for i, version := range versions {
			if present&(1<<i) != 0 {
				instances = append(instances, registry.Instance{Service: "payment", ID: version, Version: version, Address: fmt.Sprintf("127.0.0.1:%d", i+1)})
			}
		}
		found, err := route.clusters(instances)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	const weighed = 0b0011
	for before := 1; before < 1<<len(versions); before++ {
		for after := 1; after < 1<<len(versions); after++ {
			routes, places := route.shares(placesOf(before)), placesOf(after)
			for _, share := range routes {
				at := route.at(share.cluster, places)
				if len(at) == 0 {
					t.Errorf("from %04b to %04b: calls to %s are lost", before, after, share.cluster)
				}
				for _, e := range at {
					if before&weighed != 0 && after&weighed != 0 && 1<<(e.port-1)&weighed == 0 {
						t.Errorf("from %04b to %04b: calls to %s go to %s", before, after, share.cluster, versions[e.port-1])
					}
				}
			}
		}
	}
}

// TestAServiceWithoutInstancesHasNoPlaces has calls fail at once instead of going
// to who has left.
func TestAServiceWithoutInstancesHasNoPlaces(t *testing.T) {
	route := Route{Service: "payment", Split: map[string]uint32{"v1": 80, "v2": 20}}
	for _, cluster := range []string{"payment", "payment/v1", "payment/v2"} {
		if at := route.at(cluster, map[string][]endpoint{}); len(at) != 0 {
			t.Errorf("%s is at %v", cluster, at)
		}
	}
}
