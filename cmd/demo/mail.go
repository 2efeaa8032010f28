package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	notificationv1 "github.com/waybill-dev/waybill/demo-services/api/notification/v1"
	"github.com/waybill-dev/waybill/demo-services/notification"
)

// runMail looks at the messages to customers that a running notification service has
// given up, and has them sent after all.
func (c command) runMail(ctx context.Context, args []string) error {
	verb, args, err := verbOf("mail", args, "list", "resend")
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("demo mail "+verb, flag.ContinueOnError)
	at := c.serviceFlags(flags, "notification", notification.DefaultConfig().Listen)
	limit := flags.Int("limit", 50, "how many to list, at most 200")
	all := flags.Bool("all", false, "resend all messages that are refused now")
	ids, err := c.parseWords(flags, args)
	switch {
	case err != nil:
		return err
	case verb == "list" && len(ids) > 0:
		return usageError{fmt.Errorf("%q is no flag", ids[0])}
	case verb == "resend" && *all != (len(ids) == 0):
		return usageError{errors.New("mail resend takes ids of events, as mail list shows them, or --all")}
	}
	return c.ask(ctx, at, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		mails := notificationv1.NewNotificationServiceClient(conn)
		switch {
		case verb == "list":
			return c.listMail(ctx, mails, int32(*limit))
		case *all:
			answer, err := mails.ResendRefused(ctx, &notificationv1.ResendRefusedRequest{All: true})
			if err != nil {
				return fmt.Errorf("resend messages: %s", status.Convert(err).Message())
			}
			fmt.Fprintf(c.stdout, "%d messages are sent again\n", answer.GetMessages())
		}
		for _, id := range ids {
			if _, err := mails.ResendRefused(ctx, &notificationv1.ResendRefusedRequest{EventId: id}); err != nil {
				return fmt.Errorf("message %s: %s", id, status.Convert(err).Message())
			}
			fmt.Fprintf(c.stdout, "message %s is sent again\n", id)
		}
		return nil
	})
}

func (c command) listMail(ctx context.Context, mails notificationv1.NotificationServiceClient, limit int32) error {
	answer, err := mails.ListRefused(ctx, &notificationv1.ListRefusedRequest{Limit: limit})
	if err != nil {
		return fmt.Errorf("list messages: %s", status.Convert(err).Message())
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "EVENT\tORDER\tQUEUED\tATTEMPTS\tRECIPIENT\tREASON")
	for _, m := range answer.GetMessages() {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\n", m.GetEventId(), m.GetOrderId(), m.GetQueuedAt().AsTime().Format(time.RFC3339),
			m.GetAttempts(), m.GetRecipient(), cmp.Or(m.GetFailure(), "-"))
	}
	return table.Flush()
}
