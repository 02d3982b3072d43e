package client

import (
	"context"
	"net/http"
)

// PushRegistration is how an app is told of messages while it does not run, by the push service of its platform.
type PushRegistration struct {
	Kind string `json:"kind"` // webpush (also for UnifiedPush), fcm or apns

	Endpoint string   `json:"endpoint,omitempty"` // of webpush: the subscription's URL
	Keys     PushKeys `json:"keys,omitzero"`      // of webpush

	Token   string `json:"token,omitempty"`   // of fcm and apns
	Topic   string `json:"topic,omitempty"`   // of apns: the app's bundle id, where it is not the server's first one
	Sandbox bool   `json:"sandbox,omitempty"` // of apns: a development build

	Show     string `json:"show,omitempty"`     // what notifications show: all (without it), sender or none
	Mentions bool   `json:"mentions,omitempty"` // being mentioned in a muted chat is pushed
}

// PushKeys are those of a Web Push subscription, in base64url (RFC 8291).
type PushKeys struct {
	P256dh string `json:"p256dh"`
	Auth   string `json:"auth"`
}

// VAPIDKey returns the key that a Web Push subscription is made with (RFC 8292): base64url of an uncompressed point on P-256.
func (a *Account) VAPIDKey(ctx context.Context) (string, error) {
	var reply struct {
		Key string `json:"key"`
	}
	err := a.get(ctx, "/v1/push/vapid", &reply)
	return reply.Key, err
}

// SetPush says how this device is told of messages while its app does not run. Say it at each start: what a push service
// knows an app by changes.
func (a *Account) SetPush(ctx context.Context, p PushRegistration) error {
	return a.call(ctx, http.MethodPut, "/v1/devices/me/push", p, nil)
}

// RemovePush has this device told no more. That it was not is no error.
func (a *Account) RemovePush(ctx context.Context) error {
	return a.call(ctx, http.MethodDelete, "/v1/devices/me/push", nil, nil)
}
