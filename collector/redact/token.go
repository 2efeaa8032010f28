package redact

import (
	"bytes"
	"encoding/base64"
	"slices"
)

// findTokens is a finder of bearer tokens, of basic credentials, and of JSON Web
// Tokens that stand alone.
func findTokens(dst []span, text []byte) []span {
	first := len(dst)
	for i := 0; ; {
		space := bytes.IndexByte(text[i:], ' ')
		if space < 0 {
			break
		}
		i += space + 1
		scheme := lastWord(text[:i-1])
		bearer := bytes.EqualFold(scheme, []byte("bearer"))
		if !bearer && !bytes.EqualFold(scheme, []byte("basic")) {
			continue
		}
		for i < len(text) && text[i] == ' ' {
			i++
		}
		end := i + tokenLength(text[i:])
		if bearer && looksRandom(text[i:end]) || !bearer && isBasic(text[i:end]) {
			dst = append(dst, span{i, end})
		}
		i = end
	}
	known := len(dst)
	for i := 0; ; {
		at := bytes.Index(text[i:], []byte("eyJ")) // {" in base64
		if at < 0 {
			break
		}
		i += at
		end := i + jwtLength(text[i:])
		if end > i && (i == 0 || !isTokenByte(text[i-1]) || text[i-1] == '=') && !slices.ContainsFunc(dst[first:known], func(s span) bool {
			return i < s.end && s.start < end
		}) {
			dst = append(dst, span{i, end})
		}
		i = max(end, i+3)
	}
	slices.SortFunc(dst[first:], func(a, b span) int { return a.start - b.start })
	return dst
}

// lastWord is the letters that text ends with.
func lastWord(text []byte) []byte {
	at := len(text)
	for at > 0 && isLetter(text[at-1]) {
		at--
	}
	if at > 0 && (isDigit(text[at-1]) || text[at-1] == '_') {
		return nil
	}
	return text[at:]
}

// isTokenByte is what RFC 6750 allows in a token.
func isTokenByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '+' || c == '/' || c == '='
}

func tokenLength(text []byte) int {
	n := 0
	for n < len(text) && isTokenByte(text[n]) {
		n++
	}
	return n
}

// looksRandom tells a token from a word of a sentence about tokens.
func looksRandom(token []byte) bool {
	return len(token) >= 20 || len(token) >= 8 && slices.ContainsFunc(token, isDigit)
}

// isBasic says whether it is a user and a password in base64.
func isBasic(token []byte) bool {
	decoded, err := base64.RawStdEncoding.AppendDecode(nil, bytes.TrimRight(token, "="))
	return err == nil && bytes.IndexByte(decoded, ':') >= 0
}

// jwtLength is the length of the JSON Web Token that text begins with: three
// parts in base64, of which the third may be empty. 0 if there is none.
func jwtLength(text []byte) int {
	header := base64Length(text)
	if header < 10 || header == len(text) || text[header] != '.' || !bytes.HasPrefix(text[header+1:], []byte("eyJ")) {
		return 0
	}
	at := header + 1
	at += base64Length(text[at:])
	if at == len(text) || text[at] != '.' {
		return 0
	}
	return at + 1 + base64Length(text[at+1:])
}

func base64Length(text []byte) int {
	n := 0
	for n < len(text) && (isLetter(text[n]) || isDigit(text[n]) || text[n] == '-' || text[n] == '_') {
		n++
	}
	return n
}
