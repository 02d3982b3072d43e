package push

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Kinds of devices' registrations.
const (
	KindWebPush = "webpush"
	KindFCM     = "fcm"
	KindAPNs    = "apns"
)

// provider sends by one kind of push service.
type provider interface {
	send(ctx context.Context, d *destination, n *notification) outcome
}

// destination is a device's target, taken apart.
type destination struct {
	Target

	address      Address
	lane         string
	provider     provider
	url          *url.URL     // of webpush
	subscription subscription // of webpush
}

// What came of sending, as metrics have it.
const (
	resultOK       = "ok"
	resultGone     = "gone"         // the service knows no such device (any more)
	resultRefused  = "refused"      // the service does not like what we say of ourselves: for operators
	resultBad      = "bad_request"  // or what we say of the notification: a bug
	resultTooLarge = "too_large"    // however small we make it
	resultLimited  = "rate_limited" // later
	resultServer   = "server_error" // the service's own
	resultBroken   = "broken"       // it can't be sent at all
	resultExpired  = "expired"      // nobody took it for so long that it is worth nothing
	resultStale    = "stale"        // there is nothing more to be told: it was read or deleted while it waited
	resultUnknown  = "no_target"    // the device can't be reached any more
)

// outcome is what came of sending.
type outcome struct {
	result string
	detail string        // what the service says, in short
	after  time.Duration // the service wants no other try before; 0 says nothing
}

// again reports whether there is sense in another try.
func (o outcome) again() bool {
	switch o.result {
	case resultLimited, resultServer, resultRefused, "timeout", "connection":
		return true
	}
	return false
}

// ours reports whether it was decided without asking the service.
func (o outcome) ours() bool {
	switch o.result {
	case resultBroken, resultExpired, resultStale, resultUnknown:
		return true
	}
	return false
}

// down reports whether the service itself seems to be away.
func (o outcome) down() bool {
	switch o.result {
	case resultServer, "timeout", "connection":
		return true
	}
	return false
}

// failed is the outcome of a request that has no answer.
func failed(err error) outcome {
	text := err.Error()
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // it is what the client returns; its text has the whole URL in it
		text = u.Err.Error()
	}
	return outcome{result: reasonOf(err), detail: clip(text, 200)}
}

// maxAnswer is how much of an answer is read.
const maxAnswer = 4 << 10

// answered makes an outcome from an answer's status, and of its body what explain makes of it.
func answered(resp *http.Response, explain func([]byte) (result, detail string)) outcome {
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // for its explanation, and so that its connection is used again
	o := outcome{result: resultOf(resp.StatusCode), after: retryAfter(resp.Header.Get("Retry-After"))}
	if o.result == resultOK {
		return o
	}
	o.detail = resp.Status
	if explain == nil {
		o.detail += " " + clip(strings.Join(strings.Fields(strings.ToValidUTF8(string(body), "")), " "), 200)
		return o
	}
	result, detail := explain(body)
	if result != "" {
		o.result = result
	}
	o.detail += " " + clip(detail, 200)
	return o
}

func resultOf(status int) string {
	switch {
	case status >= 200 && status < 300:
		return resultOK
	case status == http.StatusNotFound, status == http.StatusGone:
		return resultGone
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return resultRefused
	case status == http.StatusRequestEntityTooLarge:
		return resultTooLarge
	case status == http.StatusTooManyRequests:
		return resultLimited
	case status >= 500:
		return resultServer
	}
	return resultBad
}

// maxRetryAfter bounds what a push service may ask us to wait.
const maxRetryAfter = time.Hour

// retryAfter reads a Retry-After (RFC 9110, 10.2.3): seconds or a date.
func retryAfter(text string) time.Duration {
	if text == "" {
		return 0
	}
	wait := time.Duration(0)
	if n, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(n, int(maxRetryAfter.Seconds()))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = time.Until(at)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// destinationOf takes a target apart.
func (r *Role) destinationOf(t Target) (*destination, error) {
	d := &destination{Target: t, lane: t.Kind}
	if err := json.Unmarshal([]byte(t.Address), &d.address); err != nil {
		return nil, fmt.Errorf("address of %s: %w", t.Device, err)
	}
	if d.provider = r.providers[t.Kind]; d.provider == nil {
		return nil, fmt.Errorf("this server does not push by %s", t.Kind)
	}
	if t.Kind != KindWebPush {
		return d, nil
	}
	s, u, err := serviceOf(r.services, d.address.Endpoint)
	if err != nil {
		return nil, err
	}
	d.lane, d.url = s.lane, u
	d.subscription, err = parseSubscription(d.address.P256dh, d.address.Auth)
	return d, err
}

// laneOf returns the lane of a target, "" where this server does not push to it.
func (r *Role) laneOf(t *Target) string {
	if r.providers[t.Kind] == nil {
		return ""
	}
	if t.Kind != KindWebPush {
		return t.Kind
	}
	var a Address
	if json.Unmarshal([]byte(t.Address), &a) != nil {
		return ""
	}
	s, _, err := serviceOf(r.services, a.Endpoint)
	if err != nil {
		return ""
	}
	return s.lane
}
