package receive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

const (
	// maxDatagram is the most that UDP can carry; Jaeger's clients send no more
	// than 65,000 bytes.
	maxDatagram = 1<<16 - 1
	// datagramReaders is how many datagrams are on their way to the journal at
	// once. They share its syncs; the kernel holds those that come meanwhile.
	datagramReaders = 8
	// socketBuffer is what the kernel is asked to hold, in bytes. It may grant less.
	socketBuffer = 4 << 20
)

// datagrams takes traces over UDP. Nobody is answered there: what is refused
// is lost, and counted by its reason as any other request is.
type datagrams struct {
	intake    *intake
	via       transport
	translate translator

	conn    *net.UDPConn
	ctx     context.Context // of the appends
	cancel  context.CancelFunc
	readers sync.WaitGroup
}

// startUDP listens and reads; it returns nil for a listener that is off.
func startUDP(ctx context.Context, cfg DatagramConfig, d *datagrams) (*datagrams, error) {
	if cfg.Address == Off {
		return nil, nil
	}
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", cfg.Address)
	if err != nil {
		return nil, err
	}
	d.conn = conn.(*net.UDPConn)
	if err := d.conn.SetReadBuffer(socketBuffer); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	d.ctx, d.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for range datagramReaders {
		d.readers.Go(d.read)
	}
	return d, nil
}

func (d *datagrams) addr() net.Addr {
	if d == nil {
		return nil
	}
	return d.conn.LocalAddr()
}

// read takes one datagram after the other until the socket is closed.
func (d *datagrams) read() {
	packet := make([]byte, maxDatagram)
	for {
		n, _, err := d.conn.ReadFromUDPAddrPort(packet)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// An error of the network says nothing of the next datagram.
			d.intake.logger.Debug("a datagram was not received", slog.Any("error", err))
			if !d.pause() {
				return
			}
			continue
		}
		d.take(packet[:n])
	}
}

// pause keeps an error that stays from taking a processor. It returns false
// when the receiver is to end.
func (d *datagrams) pause() bool {
	select {
	case <-time.After(10 * time.Millisecond):
		return true
	case <-d.ctx.Done():
		return false
	}
}

func (d *datagrams) take(packet []byte) {
	began := time.Now()
	req := request{signal: journal.Traces, translate: d.translate, length: int64(len(packet))}
	done, err := d.intake.accept(d.ctx, req, bytes.NewReader(packet))
	if err != nil {
		d.intake.meters.answered(journal.Traces, d.via, refusalOf(err).outcome, began)
		return
	}
	d.intake.meters.answered(journal.Traces, d.via, done.outcome(), began)
}

// shutdown stops reading, and waits for what has been read to be stored. What
// the kernel still holds is lost, as it is with a client that sends later.
func (d *datagrams) shutdown(ctx context.Context) error {
	if d == nil {
		return nil
	}
	defer d.cancel()
	_ = d.conn.Close() // nothing is written to it
	stopped := make(chan struct{})
	go func() {
		d.readers.Wait()
		close(stopped)
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		d.cancel()
		<-stopped
		return fmt.Errorf("shut down the listener at %v: %w", d.addr(), ctx.Err())
	}
}
