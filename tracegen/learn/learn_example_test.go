package learn_test

import (
	"fmt"
	"os"

	"github.com/waybill-dev/waybill/tracegen/learn"
	"github.com/waybill-dev/waybill/tracegen/recording"
	"github.com/waybill-dev/waybill/tracegen/topology"
)

// A topology is learnt from a file of traces, and drawn.
func Example() {
	recorded := recording.New(0)
	if err := recorded.AddFile("testdata/page.json"); err != nil {
		fmt.Println(err)
		return
	}
	result, err := learn.From(recorded, learn.DefaultOptions())
	if err != nil {
		fmt.Println(err)
		return
	}
	learnt, err := topology.Parse("page", result.YAML)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := learnt.Draw(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// learnt: learnt from 2 traces
	//
	//  50.0 %  GET / (1)
	// front: GET / (server)
	// ├─ front: GET session (client)
	// └─ back: list (server)
	//    └─ back: SELECT items (client) [3 times]
	//
	//  50.0 %  GET / (2)
	// front: GET / (server)
	// └─ front: GET session (client)
}
