package push

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sideshow/apns2"
	apnstoken "github.com/sideshow/apns2/token"
)

// APNs is how Apple's push service is reached. The zero value is none.
type APNs struct {
	Key    []byte   // a .p8 file, as Apple's developer portal gives it
	KeyID  string   // of the key
	TeamID string   // whose it is
	Topics []string // bundle ids of the apps; the first one is that of devices that say none

	URL   string         // of the service; its own without it
	Roots *x509.CertPool // that its certificate is checked by; the system's without it
}

// maxAPNs is how many bytes a payload may have.
const maxAPNs = 4096

// apns pushes by Apple's service (https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns).
type apns struct {
	topics            []string
	production, trial *apns2.Client
}

func newAPNs(c APNs, client *http.Client) (*apns, error) {
	key, err := apnstoken.AuthKeyFromBytes(c.Key)
	switch {
	case err != nil:
		return nil, fmt.Errorf("want a .p8 key of Apple's: %w", err)
	case c.KeyID == "" || c.TeamID == "":
		return nil, errors.New("want the key's id and the team's")
	case len(c.Topics) == 0:
		return nil, errors.New("want an app's bundle id")
	}
	// One token for both: Apple limits how often a new one may come.
	token := &apnstoken.Token{AuthKey: key, KeyID: c.KeyID, TeamID: c.TeamID}
	to := func(url string) *apns2.Client {
		if c.URL != "" {
			url = c.URL
		}
		return &apns2.Client{Host: url, Token: token, HTTPClient: client}
	}
	return &apns{topics: c.Topics, production: to(apns2.HostProduction), trial: to(apns2.HostDevelopment)}, nil
}

// What is posted: what iOS shows by itself, and what the app gets beside it.
type (
	apnsPayload struct {
		APS  apnsAPS `json:"aps"`
		Weft Payload `json:"weft"`
	}
	apnsAPS struct {
		Alert            *apnsAlert `json:"alert,omitempty"`
		Badge            *int       `json:"badge,omitempty"`
		Sound            string     `json:"sound,omitempty"`
		ThreadID         string     `json:"thread-id,omitempty"`
		MutableContent   int        `json:"mutable-content,omitempty"`
		ContentAvailable int        `json:"content-available,omitempty"`
	}
	apnsAlert struct {
		Title string `json:"title,omitempty"`
		Body  string `json:"body,omitempty"`
	}
)

func (n *notification) apns() ([]byte, error) {
	for {
		p := apnsPayload{APS: apnsAPS{ContentAvailable: 1}, Weft: n.Payload}
		if !n.silent {
			p.APS = apnsAPS{
				Alert: &apnsAlert{Title: n.Title, Body: n.Body}, Badge: n.Badge, Sound: "default",
				ThreadID: n.Tag, MutableContent: 1, // the app may show what it has itself
			}
		}
		// The app reads what is shown from the alert.
		p.Weft.Title, p.Weft.Body, p.Weft.Tag, p.Weft.Badge = "", "", "", nil
		data, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("encode: %w", err)
		}
		if len(data) <= maxAPNs {
			return data, nil
		}
		if !n.shrink() {
			return nil, fmt.Errorf("a payload of %d bytes, which can't be less", len(data))
		}
	}
}

// send implements provider.
func (a *apns) send(ctx context.Context, d *destination, n *notification) outcome {
	topic := d.address.Topic
	if topic == "" {
		topic = a.topics[0]
	}
	if !slices.Contains(a.topics, topic) {
		return outcome{result: resultUnknown, detail: "topic " + topic}
	}
	payload, err := n.apns()
	if err != nil {
		return outcome{result: resultBroken, detail: err.Error()}
	}
	m := &apns2.Notification{
		DeviceToken: d.address.Token, Topic: topic, CollapseID: n.topic, Payload: payload,
		Expiration: time.Now().Add(n.ttl), Priority: apns2.PriorityHigh, PushType: apns2.PushTypeAlert,
	}
	if n.silent {
		m.Priority, m.PushType = apns2.PriorityLow, apns2.PushTypeBackground
	}
	client := a.production
	if d.address.Sandbox {
		client = a.trial
	}
	var wait time.Duration
	resp, err := client.PushWithContext(context.WithValue(ctx, retryAfterKey{}, &wait), m)
	if err != nil {
		return failed(err)
	}
	o := outcome{result: resultOf(resp.StatusCode), after: wait}
	if o.result == resultOK {
		return o
	}
	o.detail = fmt.Sprint(resp.StatusCode, " ", clip(resp.Reason, 100))
	switch resp.Reason {
	case apns2.ReasonBadDeviceToken, apns2.ReasonDeviceTokenNotForTopic, apns2.ReasonUnregistered:
		o.result = resultGone
	case apns2.ReasonTopicDisallowed, apns2.ReasonBadTopic, apns2.ReasonMissingTopic:
		o.result = resultRefused
	}
	return o
}

// retryAfterKey is where a request's context has room for the Retry-After of its answer, which apns2 does not hand on.
type retryAfterKey struct{}

// withRetryAfter is a transport that notes it.
type withRetryAfter struct{ http.RoundTripper }

func (t withRetryAfter) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.RoundTripper.RoundTrip(r)
	if wait, ok := r.Context().Value(retryAfterKey{}).(*time.Duration); ok && err == nil {
		*wait = retryAfter(resp.Header.Get("Retry-After"))
	}
	return resp, err //nolint:wrapcheck // it is the transport's
}

func (t withRetryAfter) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
