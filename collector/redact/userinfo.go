package redact

import "bytes"

// findUserinfo is a finder of passwords in URLs: scheme://user:password@host.
func findUserinfo(dst []span, text []byte) []span {
	for i := 0; ; {
		at := bytes.Index(text[i:], []byte("://"))
		if at < 0 {
			return dst
		}
		i += at + len("://")
		end := bytes.IndexAny(text[i:], "/?# \t\r\n\"'<>")
		if end < 0 {
			end = len(text) - i
		}
		authority := text[i : i+end]
		host := bytes.LastIndexByte(authority, '@')
		user := bytes.IndexByte(authority, ':')
		if user >= 0 && user+1 < host && string(authority[user+1:host]) != redacted {
			dst = append(dst, span{i + user + 1, i + host})
		}
	}
}
