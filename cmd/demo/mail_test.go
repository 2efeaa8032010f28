package main

import (
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	notificationv1 "github.com/waybill-dev/waybill/demo-services/api/notification/v1"
	"github.com/waybill-dev/waybill/demo-services/notification"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

// TestRefusedMailIsSentAgain has the tool ask a notification service without a
// mailer, so that what is to be sent stays where it can be seen.
func TestRefusedMailIsSentAgain(t *testing.T) {
	t.Parallel()
	store := notification.NewStore(platformtest.OpenDB(t, t.TempDir(), notification.Migrations))
	for _, id := range []string{"evt_1", "evt_2", "evt_3"} {
		if _, err := store.Queue(t.Context(), notification.Message{EventID: id, OrderID: "ord_" + id, Recipient: "ada@example.com", QueuedAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
		if err := store.Refuse(t.Context(), id, "550 5.1.1"); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	woken := make(chan struct{}, 3)
	server := grpc.NewServer()
	notificationv1.RegisterNotificationServiceServer(server, notification.NewServer(store, func() { woken <- struct{}{} }))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	at := "--notification=" + listener.Addr().String()

	listed := printed(t, 0, "mail", "list", at)
	row := regexp.MustCompile(`(?m)^evt_2 +ord_evt_2 +\S+Z +0 +ada@example\.com +550 5\.1\.1$`)
	if strings.Count(listed, "\n") != 4 || !row.MatchString(listed) {
		t.Errorf("it prints %q", listed)
	}
	if out := printed(t, 0, "mail", "list", "--limit", "1", at); strings.Count(out, "\n") != 2 {
		t.Errorf("one of them: it prints %q", out)
	}
	if out := printed(t, 0, "mail", "resend", "evt_2", at); out != "message evt_2 is sent again\n" {
		t.Errorf("it prints %q", out)
	}
	if m, err := store.Claim(t.Context(), time.Now(), time.Hour); err != nil || m.EventID != "evt_2" {
		t.Errorf("%q is to be sent (%v)", m.EventID, err)
	}
	p := runProgram(t, nil, "mail", "resend", "evt_2", at)
	if status := p.wait(t); status != 1 || !strings.Contains(p.errs.String(), "message evt_2: no such message is refused") {
		t.Errorf("status %d: %s", status, p.errs)
	}
	if out := printed(t, 0, "mail", "resend", "--all", at); out != "2 messages are sent again\n" {
		t.Errorf("it prints %q", out)
	}
	if out := printed(t, 0, "mail", "list", at); strings.Count(out, "\n") != 1 {
		t.Errorf("it prints %q", out)
	}
	if len(woken) != 2 {
		t.Errorf("the mailer is woken %d times, want 2", len(woken))
	}
	for _, wrong := range [][]string{{"mail"}, {"mail", "delete"}, {"mail", "list", "evt_1"}, {"mail", "resend"}, {"mail", "resend", "--all", "evt_1"}} {
		printed(t, 2, append(wrong, at)...)
	}
}
