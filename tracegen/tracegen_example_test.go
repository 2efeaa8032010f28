package tracegen_test

import (
	"context"
	"fmt"

	"github.com/waybill-dev/waybill/tracegen"
	"github.com/waybill-dev/waybill/tracegen/sink"
	"github.com/waybill-dev/waybill/tracegen/topology"
	"github.com/waybill-dev/waybill/tracegen/verify"
)

const twoServices = `
services:
  front: {operations: {page: {calls: [back/list, {to: back/item, count: 3}]}}}
  back: {operations: {list: {}, item: {}}}
traces: [{start: front/page}]
`

// A sink receives the traces of two services, and is asked for each of them.
func Example() {
	ctx := context.Background()
	receiver, err := sink.Start(ctx, sink.Config{GRPC: "off", HTTP: "127.0.0.1:0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = receiver.Shutdown(ctx) }()
	url := "http://" + receiver.HTTP().String()

	cfg := tracegen.DefaultConfig()
	cfg.Endpoint, cfg.Rate, cfg.Duration, cfg.Traces = url, 0, 0, 1000
	if cfg.Topology, err = topology.Parse("two services", []byte(twoServices)); err != nil {
		fmt.Println(err)
		return
	}
	report, err := tracegen.Run(ctx, cfg, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Acknowledged.Spans, "spans acknowledged, complete:", report.Complete())

	record, err := tracegen.NewRecord(cfg, report)
	if err != nil {
		fmt.Println(err)
		return
	}
	ask := verify.DefaultConfig()
	ask.URL = url
	result, err := verify.Run(ctx, ask, record)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Whole, "traces are there whole,", result.Missing, "are missing")
	// Output:
	// 9000 spans acknowledged, complete: true
	// 1000 traces are there whole, 0 are missing
}
