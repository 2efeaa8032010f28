package mesh

import (
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/credentials"
)

// Reasons why the mesh refuses somebody.
const (
	reasonCertificate = "certificate" // the connection has none that is believed
	reasonExpired     = "expired"     // it has ended since the connection was made
	reasonPolicy      = "policy"      // no rule allows the call
)

// refusals counts them. Callers are those who have a certificate of the mesh,
// and methods those that the server has, so that there are few series.
type refusals struct{ total *prometheus.CounterVec }

func newRefusals() *refusals {
	return &refusals{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "shop_mesh_refusals_total", Help: "Connections and calls that the mesh has refused.",
	}, []string{"reason", "caller", "rpc_method"})}
}

// countedHandshakes counts connections of those who are no members: they make no
// call that there could be a span for.
type countedHandshakes struct {
	credentials.TransportCredentials
	refused *refusals
}

// ServerHandshake implements credentials.TransportCredentials.
func (c countedHandshakes) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secured, info, err := c.TransportCredentials.ServerHandshake(conn)
	if err != nil {
		c.refused.total.WithLabelValues(reasonCertificate, "", "").Inc()
	}
	return secured, info, err
}

// Clone implements credentials.TransportCredentials.
func (c countedHandshakes) Clone() credentials.TransportCredentials {
	return countedHandshakes{c.TransportCredentials.Clone(), c.refused}
}
