package grpcclient_test

import (
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/waybill-dev/waybill/middleware/client/grpcclient"
)

func Example() {
	options, err := grpcclient.DefaultConfig("order.v1.OrderService/GetOrder", "order.v1.OrderService/ListOrders").DialOptions()
	if err != nil {
		fmt.Println(err)
		return
	}
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	conn, err := grpc.NewClient("dns:///order:9000", options...)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(conn.Close())
	// Output: <nil>
}
