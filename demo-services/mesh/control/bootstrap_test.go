package control

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	grpccredentialv3 "github.com/envoyproxy/go-control-plane/envoy/config/grpc_credential/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	sinkv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/stat_sinks/open_telemetry/v3"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/waybill-dev/waybill/demo-services/mesh"
)

// bootstrap reads the file that every Envoy starts with as Envoy does: what it
// does not know is an error.
func bootstrap(t *testing.T) *bootstrapv3.Bootstrap {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "deploy", "envoy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	var b bootstrapv3.Bootstrap
	if err := (protojson.UnmarshalOptions{}).Unmarshal(encoded, &b); err != nil {
		t.Fatal(err)
	}
	return &b
}

// TestBootstrap holds the file against what the control plane wants of an Envoy,
// and tells it.
func TestBootstrap(t *testing.T) {
	b := bootstrap(t)
	validate(t, b)
	if at := b.GetAdmin().GetAddress().GetSocketAddress(); at.GetAddress() != "127.0.0.1" {
		t.Errorf("the administration is at %v", at)
	}
	google := b.GetDynamicResources().GetAdsConfig().GetGrpcServices()[0].GetGoogleGrpc()
	if got := google.GetChannelCredentials().GetSslCredentials().GetRootCerts().GetFilename(); got != "/mesh/"+mesh.FileCA {
		t.Errorf("the control plane is believed by %s", got)
	}
	var token grpccredentialv3.FileBasedMetadataConfig
	if err := google.GetCallCredentials()[0].GetFromPlugin().GetTypedConfig().UnmarshalTo(&token); err != nil {
		t.Fatal(err)
	}
	if token.GetSecretData().GetFilename() != "/mesh/"+mesh.FileToken || token.GetHeaderKey() != "authorization" || token.GetHeaderPrefix() != "Bearer " {
		t.Errorf("the token is shown as %v", &token)
	}
	if google.GetCredentialsFactoryName() != google.GetCallCredentials()[0].GetFromPlugin().GetName() {
		t.Errorf("the token is shown by %s", google.GetCredentialsFactoryName())
	}
	ping := google.GetChannelArgs().GetArgs()["grpc.keepalive_time_ms"].GetIntValue()
	if every := time.Duration(ping) * time.Millisecond; every < leastPing {
		t.Errorf("an Envoy asks every %v whether the control plane is there, and may every %v", every, leastPing)
	}
	clusters := b.GetStaticResources().GetClusters()
	if len(clusters) != 1 || clusters[0].GetName() != collectorCluster {
		t.Errorf("clusters: %v", clusters)
	}
	var sink sinkv3.SinkConfig
	if err := b.GetStatsSinks()[0].GetTypedConfig().UnmarshalTo(&sink); err != nil {
		t.Fatal(err)
	}
	if got := sink.GetGrpcService().GetEnvoyGrpc().GetClusterName(); got != collectorCluster {
		t.Errorf("metrics go to %s", got)
	}
	for _, config := range []*corev3.ConfigSource{b.GetDynamicResources().GetLdsConfig(), b.GetDynamicResources().GetCdsConfig()} {
		if config.GetAds() == nil || config.GetResourceApiVersion() != corev3.ApiVersion_V3 {
			t.Errorf("something comes by %v", config)
		}
	}
}
