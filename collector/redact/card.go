package redact

// A card number has 13 to 19 digits, in one piece or in groups of four (of
// four, six and five or four), apart by single spaces or hyphens. It begins as
// the networks' do, and its check digit is right.
const (
	minCardDigits = 13
	maxCardDigits = 19
)

// findCards is a finder of card numbers.
func findCards(dst []span, text []byte) []span {
	for i := 0; i+minCardDigits <= len(text); {
		if !isDigit(text[i]) {
			i++
			continue
		}
		end := i + digits(text[i:])
		if alone(text, i, end) {
			if card := cardAt(text[i:]); card > 0 {
				dst = append(dst, span{i, i + card})
				end = i + card
			}
		}
		i = end
	}
	return dst
}

// alone says whether the digits are no part of a word, a hex number or a
// fraction.
func alone(text []byte, start, end int) bool {
	if start > 0 {
		if before := text[start-1]; isLetter(before) || before == '.' && start > 1 && isDigit(text[start-2]) {
			return false
		}
	}
	return endsAlone(text, end)
}

func endsAlone(text []byte, end int) bool {
	return end == len(text) || !isLetter(text[end]) && (text[end] != '.' || end+1 == len(text) || !isDigit(text[end+1]))
}

// cardAt is the length of the longest card number that text begins with; 0 if
// there is none.
func cardAt(text []byte) (longest int) {
	var number [maxCardDigits]byte
	var groups [maxCardDigits]int
	count, at := 0, 0
	for n := range groups {
		groups[n] = digits(text[at:])
		if count+groups[n] > maxCardDigits {
			return longest
		}
		count += copy(number[count:], text[at:at+groups[n]])
		at += groups[n]
		if count >= minCardDigits && grouped(groups[:n+1]) && isCard(number[:count]) && endsAlone(text, at) {
			longest = at
		}
		if at+1 >= len(text) || text[at] != ' ' && text[at] != '-' || !isDigit(text[at+1]) {
			return longest
		}
		at++
	}
	return longest
}

func grouped(groups []int) bool {
	last := len(groups) - 1
	if last == 0 {
		return true
	}
	if last == 2 && groups[0] == 4 && groups[1] == 6 {
		return groups[2] == 4 || groups[2] == 5
	}
	for _, n := range groups[:last] {
		if n != 4 {
			return false
		}
	}
	return groups[last] <= 4
}

// isCard checks how a number begins and its check digit, which is Luhn's.
func isCard(number []byte) bool {
	switch first := int(number[0]-'0')*1000 + int(number[1]-'0')*100 + int(number[2]-'0')*10 + int(number[3]-'0'); {
	case first >= 2200 && first <= 2204, first >= 2221 && first <= 2720: // Mir, Mastercard
	case first >= 3000 && first <= 3099, first >= 3400 && first <= 3999: // Diners, American Express, JCB
	case first >= 4000 && first <= 6999: // Visa, Mastercard, Maestro, Discover, UnionPay
	default:
		return false
	}
	sum := 0
	for i := range number {
		d := int(number[len(number)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func digits(text []byte) int {
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
