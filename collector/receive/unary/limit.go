package unary

// Limit is a bound of a server that a client has come to.
type Limit string

// The limits. All but the first two end the connection.
const (
	// LimitCalls is a call beyond MaxStreams or MaxCalls.
	LimitCalls Limit = "calls"
	// LimitHeaders is a call whose headers are too large.
	LimitHeaders Limit = "headers"
	// LimitFlood is a client that sends too much of what moves nothing forward.
	LimitFlood Limit = "flood"
	// LimitProtocol is one that does not speak HTTP/2 as it is spoken.
	LimitProtocol Limit = "protocol"
	// LimitGreeting is one that does not begin in time.
	LimitGreeting Limit = "greeting"
	// LimitSilent is one that gives no sign of life.
	LimitSilent Limit = "silent"
	// LimitUnread is one that does not read what it is told.
	LimitUnread Limit = "unread"
)

// Limits are all of them.
func Limits() []Limit {
	return []Limit{LimitCalls, LimitHeaders, LimitFlood, LimitProtocol, LimitGreeting, LimitSilent, LimitUnread}
}
