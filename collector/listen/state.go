package listen

import "time"

// State is how a listener is protected, for people.
type State struct {
	// Security is by what; empty is nothing.
	Security string
	// Expires is when its certificate does; zero without TLS.
	Expires time.Time
	// Trouble is why files of its rule are not in force; zero where they are.
	Trouble Trouble
}

// Trouble is what is wrong with a listener's files, and since when that is
// known. The reason has nothing of what is in them.
type Trouble struct {
	At     time.Time
	Reason string
}

func (g *Guard) state() State {
	s := State{Security: g.security.Summary(), Expires: g.now.Load().expires}
	if trouble := g.trouble.Load(); trouble != nil {
		s.Trouble = *trouble
	}
	return s
}

// State tells how the door is protected; nothing where it is off.
func (d *Door) State() State {
	if d == nil {
		return State{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.guard.state()
}
