package middleware

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// namespaceFile is where Kubernetes tells a pod its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// kubernetes tells where in a cluster the process runs, as far as it can know
// without asking the cluster: from the variables that pods commonly get by the
// downward API, from the pod's host name, which is the pod's, and from the file
// of its service account. Outside of a cluster it tells nothing.
func kubernetes(env *environment, read func(string) ([]byte, error)) []attribute.KeyValue {
	if env.text("KUBERNETES_SERVICE_HOST") == "" {
		return nil
	}
	var attributes []attribute.KeyValue
	for _, known := range []struct {
		key   attribute.Key
		names []string
	}{
		{semconv.K8SPodName, []string{"K8S_POD_NAME", "POD_NAME", "HOSTNAME"}},
		{semconv.K8SPodUID, []string{"K8S_POD_UID", "POD_UID"}},
		{semconv.K8SNamespaceName, []string{"K8S_NAMESPACE_NAME", "POD_NAMESPACE"}},
		{semconv.K8SNodeName, []string{"K8S_NODE_NAME", "NODE_NAME"}},
		{semconv.K8SContainerName, []string{"K8S_CONTAINER_NAME", "CONTAINER_NAME"}},
		{semconv.K8SDeploymentName, []string{"K8S_DEPLOYMENT_NAME"}},
		{semconv.K8SClusterName, []string{"K8S_CLUSTER_NAME"}},
	} {
		value := env.text(known.names...)
		if value == "" && known.key == semconv.K8SNamespaceName {
			if text, err := read(namespaceFile); err == nil {
				value = strings.TrimSpace(string(text))
			}
		}
		if value != "" {
			attributes = append(attributes, known.key.String(value))
		}
	}
	return attributes
}
