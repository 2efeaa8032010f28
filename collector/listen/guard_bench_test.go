package listen

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func BenchmarkAdmit(b *testing.B) {
	token := "bXktdG9rZW4taXMtdGhpcnR5LXR3by1ieXRlcy1sb25n"
	m, err := NewMeters(prometheus.NewRegistry())
	if err != nil {
		b.Fatal(err)
	}
	g, err := NewGuard("receive.test", Security{Auth: Auth{Bearer: Tokens{Token(token), "another"}}}, m, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	header := []string{"Bearer " + token}
	b.ReportAllocs()
	for b.Loop() {
		if err := g.Admit(header, nil); err != nil {
			b.Fatal(err)
		}
	}
}
