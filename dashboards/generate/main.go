// Command generate writes the dashboards' JSON into the working folder, which
// is dashboards/ when `go generate` runs it.
package main

import (
	"log"
	"os"

	"github.com/waybill-dev/waybill/dashboards"
)

func main() {
	log.SetFlags(0)
	for _, d := range dashboards.All() {
		content, err := d.JSON()
		if err == nil {
			err = os.WriteFile(d.Filename(), content, 0o644) //nolint:gosec // Grafana reads it as another user
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}
