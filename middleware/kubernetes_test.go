package middleware

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKubernetesTellsWhereTheProcessRuns(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		file string
		want map[string]string
	}{
		"elsewhere": {env: map[string]string{"POD_NAME": "order-7d9", "HOSTNAME": "laptop"}, file: "shop", want: map[string]string{}},
		"nothing is configured": {
			env: map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "order-7d9"}, file: "shop\n",
			want: map[string]string{"k8s.pod.name": "order-7d9", "k8s.namespace.name": "shop"},
		},
		"no service account": {
			env: map[string]string{"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "order-7d9"}, want: map[string]string{"k8s.pod.name": "order-7d9"},
		},
		"by the downward API": {
			env: map[string]string{
				"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "node-3", "POD_NAME": "order-7d9", "POD_NAMESPACE": "shop", "POD_UID": "u-1",
				"NODE_NAME": "node-3", "K8S_NODE_NAME": "node-4", "CONTAINER_NAME": "order", "K8S_DEPLOYMENT_NAME": "order", "K8S_CLUSTER_NAME": "north",
			},
			file: "other",
			want: map[string]string{
				"k8s.pod.name": "order-7d9", "k8s.namespace.name": "shop", "k8s.pod.uid": "u-1", "k8s.node.name": "node-4",
				"k8s.container.name": "order", "k8s.deployment.name": "order", "k8s.cluster.name": "north",
			},
		},
	} {
		env := &environment{lookup: func(name string) (string, bool) { value, set := test.env[name]; return value, set }}
		got := map[string]string{}
		for _, kv := range kubernetes(env, func(path string) ([]byte, error) {
			if test.file == "" || path != namespaceFile {
				return nil, os.ErrNotExist
			}
			return []byte(test.file), nil
		}) {
			got[string(kv.Key)] = kv.Value.String()
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
