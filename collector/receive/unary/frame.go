package unary

import "golang.org/x/net/http2"

// frame handles one frame, of which the head has been read. A StreamError is
// the stream's end, any other error the connection's.
func (c *conn) frame(head http2.FrameHeader) error {
	if !c.greeted && (head.Type != http2.FrameSettings || head.Flags.Has(http2.FlagSettingsAck)) {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	switch head.Type {
	case http2.FrameData:
		return c.data(head)
	case http2.FrameHeaders:
		return c.headers(head)
	}
	if err := c.waste(); err != nil {
		return err
	}
	if head.Type > http2.FrameContinuation {
		return c.in.skip(int(head.Length)) // It is none of those that we know.
	}
	frame, err := c.framer.ReadFrameForHeader(head)
	if err != nil {
		return err
	}
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		return c.settings(frame)
	case *http2.WindowUpdateFrame:
		return c.windowUpdate(frame)
	case *http2.RSTStreamFrame:
		return c.canceled(frame.StreamID)
	case *http2.PingFrame:
		if !frame.IsAck() {
			data := frame.Data
			c.out.later(func(f *http2.Framer) error { return f.WritePing(true, data) })
		}
	case *http2.PriorityFrame:
		if frame.StreamDep == frame.StreamID {
			return http2.StreamError{StreamID: frame.StreamID, Code: http2.ErrCodeProtocol}
		}
	case *http2.PushPromiseFrame:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil // GOAWAY is a client that opens no more streams; that is fine.
}

// settings obeys the client's, and says so.
func (c *conn) settings(frame *http2.SettingsFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if frame.IsAck() {
		if c.unacked--; c.unacked < 0 {
			return http2.ConnectionError(http2.ErrCodeProtocol)
		}
		return nil
	}
	c.greeted = true
	for range frame.NumSettings() { // Each may concern all streams.
		if err := c.waste(); err != nil {
			return err
		}
	}
	if err := frame.ForeachSetting(c.obey); err != nil {
		return err
	}
	c.out.later(func(f *http2.Framer) error { return f.WriteSettingsAck() })
	c.push()
	return nil
}

// obey takes one setting over. Frames of ours are never larger than the least
// that a client may ask for, and nothing is pushed.
func (c *conn) obey(s http2.Setting) error {
	if err := s.Valid(); err != nil {
		return err
	}
	switch s.ID {
	case http2.SettingHeaderTableSize:
		c.out.limitTable(s.Val)
	case http2.SettingInitialWindowSize:
		grown := int64(s.Val) - c.initial
		c.initial = int64(s.Val)
		for _, s := range c.streams {
			if s.room += grown; s.room > maxWindow {
				return http2.ConnectionError(http2.ErrCodeFlowControl)
			}
		}
	}
	return nil
}

// windowUpdate is room for answers.
func (c *conn) windowUpdate(frame *http2.WindowUpdateFrame) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if frame.StreamID == 0 {
		if c.room += int64(frame.Increment); c.room > maxWindow {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		c.push()
		return nil
	}
	s := c.streams[frame.StreamID]
	if s == nil {
		return c.idle(frame.StreamID)
	}
	if s.room += int64(frame.Increment); s.room > maxWindow {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeFlowControl}
	}
	c.push()
	return nil
}

// canceled is a stream that the client has reset.
func (c *conn) canceled(id uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[id]
	if s == nil {
		return c.idle(id)
	}
	c.abort(s, ErrCanceled)
	return nil
}

// idle is the error of a frame on a stream that nobody has opened; others may
// have ended while the frame was on its way.
func (c *conn) idle(id uint32) error {
	if id > c.last || id%2 == 0 {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil
}

// reset ends a stream for a fault of the client.
func (c *conn) reset(id uint32, code http2.ErrCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.streams[id]; s != nil {
		c.abort(s, ProtocolError("the call ended in "+code.String()))
	}
	c.refuse(id, code)
}

// refuse ends a stream that the client may not have ended.
func (c *conn) refuse(id uint32, code http2.ErrCode) {
	c.refused.add(id, c.server.cfg.MaxStreams)
	c.out.put(func(f *http2.Framer) error { return f.WriteRSTStream(id, code) })
}
