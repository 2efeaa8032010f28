package middleware

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// otlpPort is where OTLP over HTTP is listened for, by convention.
const otlpPort = "4318"

// jaegerVariables are those of jaeger-client-go that something becomes of, or
// that are told of because nothing can.
var jaegerVariables = []string{
	"JAEGER_SERVICE_NAME", "JAEGER_TAGS", "JAEGER_DISABLED", "JAEGER_PROPAGATION",
	"JAEGER_ENDPOINT", "JAEGER_USER", "JAEGER_PASSWORD", "JAEGER_AGENT_HOST", "JAEGER_AGENT_PORT",
	"JAEGER_SAMPLER_TYPE", "JAEGER_SAMPLER_PARAM", "JAEGER_SAMPLER_MANAGER_HOST_PORT", "JAEGER_SAMPLING_ENDPOINT",
	"JAEGER_SAMPLER_REFRESH_INTERVAL",
	"JAEGER_REPORTER_MAX_QUEUE_SIZE", "JAEGER_REPORTER_FLUSH_INTERVAL",
}

// jaeger is what the variables of jaeger-client-go come to, so that a service
// moves without a new environment.
type jaeger struct {
	// instead has values for OTEL_* variables that are not set.
	instead map[string]string
	// authorization goes to JAEGER_ENDPOINT and nowhere else. It is a secret.
	authorization string
	seen          []string
}

// adoptJaeger reads the variables. Those that OTEL_* variables decide about
// already are not even looked at.
func (e *environment) adoptJaeger() {
	e.jaeger.instead = map[string]string{}
	for _, name := range jaegerVariables {
		if e.text(name) != "" {
			e.jaeger.seen = append(e.jaeger.seen, name)
		}
	}
	if len(e.jaeger.seen) == 0 {
		return
	}
	if e.jaegerFlag("JAEGER_DISABLED") {
		e.stand("true", "OTEL_SDK_DISABLED")
	}
	e.stand(e.text("JAEGER_REPORTER_MAX_QUEUE_SIZE"), "OTEL_BSP_MAX_QUEUE_SIZE")
	e.jaegerDelay()
	e.jaegerPropagation()
	if e.text("OTEL_TRACES_SAMPLER") == "" {
		e.jaegerSampler()
	}
	if e.text("OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
		e.jaegerEndpoint()
	}
}

// stand gives a variable that is not set a value.
func (e *environment) stand(value, name string) {
	if value != "" && e.text(name) == "" {
		e.jaeger.instead[name] = value
	}
}

// jaegerFlag is as strconv.ParseBool has it, which is what the client did.
func (e *environment) jaegerFlag(name string) bool {
	value := e.text(name)
	flag, err := strconv.ParseBool(value)
	if value != "" && err != nil {
		e.ignore(name, value, "true or false")
	}
	return flag
}

func (e *environment) jaegerDelay() {
	const name = "JAEGER_REPORTER_FLUSH_INTERVAL"
	value := e.text(name)
	if value == "" {
		return
	}
	delay, err := time.ParseDuration(value)
	if err != nil || delay < time.Millisecond {
		e.ignore(name, value, "a duration, as in 1s")
		return
	}
	e.stand(strconv.FormatInt(delay.Milliseconds(), 10), "OTEL_BSP_SCHEDULE_DELAY")
}

// jaegerPropagation knows the words of Jaeger's clients, whose b3 is that in
// several headers.
func (e *environment) jaegerPropagation() {
	const name = "JAEGER_PROPAGATION"
	if e.text(name) == "" {
		return
	}
	known := map[string]string{"jaeger": "jaeger", "b3": "b3multi", "w3c": "tracecontext,baggage"}
	var words []string
	for _, word := range e.list(name, "") {
		propagator, knows := known[strings.ToLower(word)]
		if !knows {
			e.ignore(name, word, "jaeger, b3 or w3c, with commas between them")
			continue
		}
		words = append(words, propagator)
	}
	e.stand(strings.Join(words, ","), "OTEL_PROPAGATORS")
}

// jaegerSampler knows the kinds that Jaeger's clients had.
func (e *environment) jaegerSampler() {
	const name, standing = "JAEGER_SAMPLER_TYPE", "OTEL_TRACES_SAMPLER"
	kind, param := strings.ToLower(e.text(name)), e.text("JAEGER_SAMPLER_PARAM")
	switch kind {
	case "":
	case "const":
		e.jaegerConst(param)
	case "probabilistic":
		e.stand(parentBased+samplerShare, standing)
		e.jaegerRatio(param)
	case "remote":
		e.stand(parentBased+samplerRemote, standing)
		e.jaegerRemote(param)
	case "ratelimiting":
		e.stand(parentBased+samplerRateLimiting, standing)
		e.stand(param, samplerArg)
	default:
		e.ignore(name, kind, "const, probabilistic, ratelimiting or remote; all traces are recorded")
	}
}

// jaegerRemote says whom to ask for the strategy, as the client found it out.
func (e *environment) jaegerRemote(param string) {
	var args []string
	if endpoint := e.text("JAEGER_SAMPLING_ENDPOINT"); endpoint != "" {
		args = append(args, "endpoint="+endpoint)
	} else if server := e.text("JAEGER_SAMPLER_MANAGER_HOST_PORT"); server != "" {
		args = append(args, "endpoint=http://"+server+"/sampling")
	} else if host := e.text("JAEGER_AGENT_HOST"); host != "" {
		args = append(args, "endpoint=http://"+net.JoinHostPort(strings.Trim(host, "[]"), "5778")+"/sampling")
	}
	if param != "" {
		args = append(args, "initialSamplingRate="+param)
	}
	const every = "JAEGER_SAMPLER_REFRESH_INTERVAL"
	if value := e.text(every); value != "" {
		interval, err := time.ParseDuration(value)
		if err != nil || interval < time.Millisecond {
			e.ignore(every, value, "a duration, as in 1m")
		} else {
			args = append(args, "pollingIntervalMs="+strconv.FormatInt(interval.Milliseconds(), 10))
		}
	}
	e.stand(strings.Join(args, ","), samplerArg)
}

// jaegerConst knows 0 for no traces, and all the rest for all of them.
func (e *environment) jaegerConst(param string) {
	if never, err := strconv.ParseFloat(param, 64); err == nil && never == 0 {
		e.stand("parentbased_always_off", "OTEL_TRACES_SAMPLER")
		return
	}
	e.stand("parentbased_always_on", "OTEL_TRACES_SAMPLER")
}

func (e *environment) jaegerRatio(param string) {
	if ratio, err := strconv.ParseFloat(param, 64); param != "" && (err != nil || !(ratio >= 0 && ratio <= 1)) {
		e.ignore("JAEGER_SAMPLER_PARAM", param, "a number from 0 to 1")
		return
	}
	e.stand(param, "OTEL_TRACES_SAMPLER_ARG")
}

// jaegerEndpoint looks for OTLP on the host that took Thrift: both our
// collector and Jaeger itself listen for it there. Of the two ways the client
// preferred the collector.
func (e *environment) jaegerEndpoint() {
	const standing = "OTEL_EXPORTER_OTLP_ENDPOINT"
	if value := e.text("JAEGER_ENDPOINT"); value != "" {
		u, err := url.Parse(value)
		if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
			// It may have a password in it.
			e.warn(errors.New("JAEGER_ENDPOINT: want a URL that begins with http:// or https://"))
			return
		}
		e.jaeger.instead[standing] = u.Scheme + "://" + net.JoinHostPort(u.Hostname(), otlpPort)
		if user, password := e.text("JAEGER_USER"), e.text("JAEGER_PASSWORD"); user != "" && password != "" {
			e.jaeger.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
		}
		e.warn(fmt.Errorf("JAEGER_ENDPOINT: spans go to %s as OTLP, not to its port as Thrift", e.jaeger.instead[standing]))
		return
	}
	if host := e.text("JAEGER_AGENT_HOST"); host != "" {
		e.jaeger.instead[standing] = "http://" + net.JoinHostPort(strings.Trim(host, "[]"), otlpPort)
		e.warn(fmt.Errorf("JAEGER_AGENT_HOST: spans go to %s as OTLP, not to JAEGER_AGENT_PORT by UDP", e.jaeger.instead[standing]))
	}
}

// jaegerTags are key=value pairs; ${NAME:text} as a value is what the variable
// says, or else the text.
func (e *environment) jaegerTags() (pairs [][2]string) {
	const name = "JAEGER_TAGS"
	for _, part := range e.list(name, "") {
		if part == "" {
			continue
		}
		key, value, found := strings.Cut(part, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !found || key == "" {
			e.warn(fmt.Errorf("%s: want key=value pairs with commas between them, got one that begins %q", name, key))
			continue
		}
		if inner, is := strings.CutPrefix(value, "${"); is && strings.HasSuffix(inner, "}") {
			variable, standard, _ := strings.Cut(strings.TrimSuffix(inner, "}"), ":")
			if value = e.text(variable); value == "" {
				value = standard
			}
		}
		pairs = append(pairs, [2]string{key, value})
	}
	return slices.Clip(pairs)
}
