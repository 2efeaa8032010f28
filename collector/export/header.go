package export

import "strings"

// CanSend says whether the protocol's transport would put a header on the wire.
func (p Protocol) CanSend(name string, value Secret) bool {
	token := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	}
	control := func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }
	if p == GRPC {
		token = func(c rune) bool {
			return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.", c)
		}
		control = func(c rune) bool { return c < ' ' || c > '~' }
		if strings.HasPrefix(strings.ToLower(name), "grpc-") {
			return false // They belong to gRPC.
		}
	}
	return name != "" && strings.IndexFunc(name, func(c rune) bool { return !token(c) }) < 0 && strings.IndexFunc(string(value), control) < 0
}
