package client

import (
	"context"

	"github.com/weft-im/weft/fabric"
)

// OTP tells where a one-time code went and until when it holds.
type OTP struct {
	Phone     string `json:"phone"`      // as E.164
	ExpiresAt int64  `json:"expires_at"` // Unix milliseconds
	DevCode   string `json:"dev_code"`   // the code itself; only servers in dev mode tell it
}

// SignIn trades a one-time code for tokens; the first time it registers the user.
type SignIn struct {
	Phone  string    `json:"phone"`
	Code   string    `json:"code"`
	Name   string    `json:"name,omitempty"` // of a user who registers; the phone number by default
	Device NewDevice `json:"device"`
}

// NewDevice is a device as it presents itself at sign-in.
type NewDevice struct {
	Name      string `json:"name"`
	Platform  string `json:"platform"`
	PublicKey string `json:"public_key,omitempty"` // DeviceKey.Public: binds the tokens to the key
}

// Grant is a signed-in device's pair of tokens. The refresh token can be spent once: whoever keeps a Grant stores each
// new one, since a spent token revokes the device.
type Grant struct {
	User         fabric.User   `json:"user"`
	Device       fabric.Device `json:"device"`
	AccessToken  string        `json:"access_token"`
	ExpiresAt    int64         `json:"expires_at"` // of the access token, Unix milliseconds
	RefreshToken string        `json:"refresh_token"`
}

// OTP has a one-time code sent to phone, which is written with its country code.
func (a API) OTP(ctx context.Context, phone string) (OTP, error) {
	var otp OTP
	in := struct {
		Phone string `json:"phone"`
	}{phone}
	err := a.post(ctx, "/v1/auth/otp", "", in, &otp)
	return otp, err
}

// Token signs a device in.
func (a API) Token(ctx context.Context, in SignIn) (Grant, error) {
	var g Grant
	err := a.post(ctx, "/v1/auth/token", "", in, &g)
	return g, err
}

// Refresh spends a refresh token for a new pair. attempt is the caller's id of this try, and may be empty: whoever did
// not get the reply asks again with the same one and is let through, where a token that is spent a second time
// otherwise revokes the device.
func (a API) Refresh(ctx context.Context, refreshToken, attempt string) (Grant, error) {
	var g Grant
	in := struct {
		RefreshToken string `json:"refresh_token"`
		Attempt      string `json:"attempt,omitempty"`
	}{refreshToken, attempt}
	err := a.post(ctx, "/v1/auth/refresh", "", in, &g)
	return g, err
}

// Logout revokes the device that the access token belongs to; its sessions end within a second.
func (a API) Logout(ctx context.Context, accessToken string) error {
	return a.post(ctx, "/v1/auth/logout", accessToken, nil, nil)
}

// Lookup tells which of the phones belong to users, each with its phone as E.164. Servers take 100 phones a call.
func (a API) Lookup(ctx context.Context, accessToken string, phones ...string) ([]fabric.User, error) {
	in := struct {
		Phones []string `json:"phones"`
	}{phones}
	var out struct {
		Users []fabric.User `json:"users"`
	}
	err := a.post(ctx, "/v1/contacts/lookup", accessToken, in, &out)
	return out.Users, err
}
