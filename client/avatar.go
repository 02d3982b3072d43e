package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// UploadAvatar stores a picture (PNG, JPEG or WebP, up to 256 KiB and 1024×1024) and returns its id, which is what a
// profile or group takes as its avatar.
func (a *Account) UploadAvatar(ctx context.Context, contentType string, picture []byte) (id string, err error) {
	var reply struct {
		Avatar string `json:"avatar"`
	}
	err = a.signed(ctx, func(token string) error {
		resp, err := a.api.do(ctx, apiRequest{
			method: http.MethodPost, path: "/v1/avatars", token: token, contentType: contentType, body: picture,
		})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(&reply); err != nil {
			return fmt.Errorf("client: decode the reply to an avatar: %w", err)
		}
		return nil
	})
	return reply.Avatar, err
}

// Avatar returns a picture by its id, and its content type.
func (a *Account) Avatar(ctx context.Context, id string) (picture []byte, contentType string, err error) {
	resp, err := a.open(ctx, pathOf("/v1/avatars/", id))
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	picture, err = io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, "", fmt.Errorf("client: read avatar %s: %w", id, err)
	}
	return picture, resp.Header.Get("Content-Type"), nil
}

// open asks for what is no JSON. Close the reply's body.
func (a *Account) open(ctx context.Context, path string) (resp *http.Response, err error) {
	err = a.signed(ctx, func(token string) (err error) {
		resp, err = a.api.do(ctx, apiRequest{method: http.MethodGet, path: path, token: token}) //nolint:bodyclose // the caller's
		return err
	})
	return resp, err
}
