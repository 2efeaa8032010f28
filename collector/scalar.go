package collector

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// parseScalar turns the text of one YAML scalar into a value of type t. Whole
// numbers are sizes in bytes where bytes is set: they may carry a unit.
func parseScalar(text string, t reflect.Type, bytes bool) (reflect.Value, error) {
	v := reflect.New(t).Elem()
	if level, ok := reflect.TypeAssert[*slog.Level](v.Addr()); ok {
		if level.UnmarshalText([]byte(text)) != nil {
			return v, errors.New("want debug, info, warn or error")
		}
		return v, nil
	}
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		return v, u.UnmarshalText([]byte(text))
	}
	if t == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(text)
		if err != nil {
			return v, errors.New("want a duration such as 500ms, 30s or 15m")
		}
		v.SetInt(int64(d))
		return v, nil
	}
	switch t.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return v, errors.New("want true or false")
		}
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int32, reflect.Int64:
		parse := parseWhole
		if bytes {
			parse = parseSize
		}
		n, err := parse(text)
		if err == nil && v.OverflowInt(n) {
			err = errors.New("number is too large")
		}
		if err != nil {
			return v, err
		}
		v.SetInt(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return v, errors.New("want a number")
		}
		v.SetFloat(f)
	default:
		panic(fmt.Sprintf("BUG: the configuration has a field of type %v, which cannot be read", t))
	}
	return v, nil
}

func parseWhole(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, errors.New("want a whole number")
	}
	return n, nil
}

// parseSize reads a whole number of bytes, with or without a unit.
func parseSize(text string) (int64, error) {
	digits := strings.TrimRight(text, "BKMGTikmgt ")
	n, err := strconv.ParseInt(digits, 10, 64)
	unit := unitBytes(strings.TrimSpace(text[len(digits):]))
	if err != nil || n < 0 || unit == 0 {
		return 0, errors.New("want a size such as 512KiB, 64MiB or 2GiB")
	}
	if n > math.MaxInt64/unit {
		return 0, errors.New("size is too large")
	}
	return n * unit, nil
}

// unitBytes is 0 for a unit that does not exist.
func unitBytes(unit string) int64 {
	switch strings.ToLower(unit) {
	case "", "b":
		return 1
	case "kb":
		return 1e3
	case "mb":
		return 1e6
	case "gb":
		return 1e9
	case "tb":
		return 1e12
	case "kib":
		return 1 << 10
	case "mib":
		return 1 << 20
	case "gib":
		return 1 << 30
	case "tib":
		return 1 << 40
	}
	return 0
}
