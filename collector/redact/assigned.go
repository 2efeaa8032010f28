package redact

import "bytes"

// findAssigned is a finder of what a text assigns to a secret key: the value in
// password=value, "password": "value", ?api_key=value and their like, escaped
// in another text or not.
func findAssigned(dst []span, text []byte) []span {
	for i := 0; ; {
		at := bytes.IndexAny(text[i:], "=:")
		if at < 0 {
			return dst
		}
		i += at + 1
		if !isSecretWord(wordBefore(text[:i-1])) {
			continue
		}
		found := valueAfter(text, i)
		if value := text[found.start:found.end]; len(value) > 0 && !isNoSecret(value) {
			dst = append(dst, found)
		}
		i = max(i, found.end)
	}
}

// wordBefore is the key that text ends with, without quotes.
func wordBefore(text []byte) []byte {
	text = bytes.TrimRight(text, " \\\"'")
	at := len(text)
	for at > 0 && at > len(text)-64 && (isLetter(text[at-1]) || isDigit(text[at-1]) || text[at-1] == '_' || text[at-1] == '-') {
		at--
	}
	return text[at:]
}

func isSecretWord(word []byte) bool {
	if len(word) < 3 {
		return false
	}
	var lower [64]byte
	word = append(lower[:0], word...)
	for i, c := range word {
		if c >= 'A' && c <= 'Z' {
			word[i] = c | 0x20
		}
	}
	for _, secret := range secretWords {
		if bytes.Contains(word, []byte(secret)) {
			return true
		}
	}
	return string(word) == "pwd" || string(word) == "token"
}

// valueAfter is where the value lies that begins at i or behind it: to the
// quote that ends it, or to what ends a word.
func valueAfter(text []byte, i int) span {
	for i < len(text) && text[i] == ' ' {
		i++
	}
	escapes := 0 // before the quote, when all of it is in another quoted text
	for i+escapes < len(text) && text[i+escapes] == '\\' {
		escapes++
	}
	at := i + escapes
	if at == len(text) || text[at] != '"' && text[at] != '\'' {
		end := bytes.IndexAny(text[i:], " \t\r\n\"'&,;)]}")
		if end < 0 {
			end = len(text) - i
		}
		return span{i, i + end}
	}
	return span{at + 1, quoteAfter(text, at+1, text[at], escapes)}
}

// quoteAfter is where the quoted value that begins at i ends. A quote that
// belongs to the value has more backslashes before it, or twice as many more.
func quoteAfter(text []byte, i int, quote byte, escapes int) int {
	run := 0
	for at := i; at < len(text); at++ {
		switch text[at] {
		case '\\':
			run++
			continue
		case quote:
			if run%(2*escapes+2) == escapes {
				return at - escapes
			}
		}
		run = 0
	}
	return len(text)
}

// isNoSecret spares what was redacted before, and where the value is a structure
// or nothing.
func isNoSecret(value []byte) bool {
	switch string(value) {
	case redacted, "null", "true", "false":
		return true
	}
	return value[0] == '{' || value[0] == '['
}
