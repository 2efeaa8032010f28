package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc/status"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
)

// runSaga looks at the sagas of a running order service, and has those that are
// parked go on.
func (c command) runSaga(ctx context.Context, args []string) error {
	verb, args, err := verbOf("saga", args, "list", "resume")
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("demo saga "+verb, flag.ContinueOnError)
	at := c.ordersFlags(flags)
	parked := flags.Bool("parked", false, "list only those that are parked")
	limit := flags.Int("limit", 50, "how many to list, at most 200")
	ids, err := c.parseWords(flags, args)
	switch {
	case err != nil:
		return err
	case verb == "list" && len(ids) > 0:
		return usageError{fmt.Errorf("%q is no flag", ids[0])}
	case verb == "resume" && len(ids) == 0:
		return usageError{errors.New("saga resume takes ids of orders, as saga list shows them")}
	}
	return c.askOrders(ctx, at, func(ctx context.Context, orders orderv1.OrderServiceClient) error {
		if verb == "list" {
			return c.listSagas(ctx, orders, &orderv1.ListSagasRequest{Parked: *parked, Limit: int32(*limit)})
		}
		for _, id := range ids {
			if _, err := orders.ResumeSaga(ctx, &orderv1.ResumeSagaRequest{OrderId: id}); err != nil {
				return fmt.Errorf("order %s: %s", id, status.Convert(err).Message())
			}
			fmt.Fprintf(c.stdout, "the saga of order %s goes on\n", id)
		}
		return nil
	})
}

func (c command) listSagas(ctx context.Context, orders orderv1.OrderServiceClient, request *orderv1.ListSagasRequest) error {
	answer, err := orders.ListSagas(ctx, request)
	if err != nil {
		return fmt.Errorf("list sagas: %s", status.Convert(err).Message())
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ORDER\tSTEP\tREASON\tPLACED\tTAKEN OVER\tFAILURES\tGOES ON\tLAST ERROR")
	for _, s := range answer.GetSagas() {
		next := "parked"
		if s.GetParkedAt() == nil {
			next = s.GetDueAt().AsTime().Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", s.GetOrderId(), strings.ToLower(s.GetStep()), cmp.Or(s.GetReason(), "-"),
			s.GetCreatedAt().AsTime().Format(time.RFC3339), s.GetAttempts(), s.GetFailures(), next, cmp.Or(s.GetLastError(), "-"))
	}
	return table.Flush()
}

// runReadModel counts the orders in the read model of a running order service,
// or has it thrown away and made again.
func (c command) runReadModel(ctx context.Context, args []string) error {
	verb, args, err := verbOf("readmodel", args, "statistics", "rebuild")
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("demo readmodel "+verb, flag.ContinueOnError)
	at := c.ordersFlags(flags)
	if err := c.parse(flags, args); err != nil {
		return err
	}
	return c.askOrders(ctx, at, func(ctx context.Context, orders orderv1.OrderServiceClient) error {
		if verb == "rebuild" {
			answer, err := orders.RebuildReadModel(ctx, &orderv1.RebuildReadModelRequest{})
			if err != nil {
				return fmt.Errorf("rebuild the read model: %s", status.Convert(err).Message())
			}
			fmt.Fprintf(c.stdout, "the read model is made again, with %d orders\n", answer.GetOrders())
			return nil
		}
		answer, err := orders.GetStatistics(ctx, &orderv1.GetStatisticsRequest{})
		if err != nil {
			return fmt.Errorf("count orders: %s", status.Convert(err).Message())
		}
		table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "STATUS\tCURRENCY\tORDERS\tTOTAL")
		for _, s := range answer.GetStatistics() {
			name := strings.ToLower(strings.TrimPrefix(s.GetStatus().String(), "STATUS_"))
			fmt.Fprintf(table, "%s\t%s\t%d\t%d.%02d\n", name, s.GetCurrency(), s.GetOrders(), s.GetAmount()/100, s.GetAmount()%100)
		}
		return table.Flush()
	})
}
