package push

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"golang.org/x/oauth2"
	oauthjwt "golang.org/x/oauth2/jwt"
)

// FCM is how Firebase Cloud Messaging is reached. The zero value is none.
type FCM struct {
	Credentials []byte // the JSON of a service account's key, as Google's console gives it
	URL         string // of the service; its own without it
}

const (
	fcmURL   = "https://fcm.googleapis.com"
	fcmScope = "https://www.googleapis.com/auth/firebase.messaging"
	maxFCM   = 4096 // of notification and data together
)

// fcm pushes by Firebase Cloud Messaging, HTTP v1
// (https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages).
type fcm struct {
	url    string
	client *http.Client
	tokens oauth2.TokenSource // exchanges a signed JWT for a token, and keeps it for as long as it lives (RFC 7523)
}

func newFCM(c FCM, client *http.Client) (*fcm, error) {
	var account struct {
		Type         string `json:"type"`
		ProjectID    string `json:"project_id"`
		PrivateKeyID string `json:"private_key_id"`
		PrivateKey   string `json:"private_key"`
		ClientEmail  string `json:"client_email"`
		TokenURI     string `json:"token_uri"`
	}
	if err := json.Unmarshal(c.Credentials, &account); err != nil {
		return nil, errors.New("want the JSON of a service account's key")
	}
	if account.Type != "service_account" || account.ProjectID == "" || account.PrivateKey == "" || account.ClientEmail == "" || account.TokenURI == "" {
		return nil, errors.New("want a service account's key: type, project_id, private_key, client_email and token_uri")
	}
	if c.URL == "" {
		c.URL = fcmURL
	}
	config := &oauthjwt.Config{
		Email: account.ClientEmail, PrivateKey: []byte(account.PrivateKey), PrivateKeyID: account.PrivateKeyID,
		Scopes: []string{fcmScope}, TokenURL: account.TokenURI,
	}
	// The context is of the source: it brings the client along.
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, client)
	return &fcm{
		url: c.URL + "/v1/projects/" + url.PathEscape(account.ProjectID) + "/messages:send", client: client, tokens: config.TokenSource(ctx),
	}, nil
}

// What is posted, as far as we use it.
type (
	fcmRequest struct {
		Message fcmMessage `json:"message"`
	}
	fcmMessage struct {
		Token   string            `json:"token"`
		Data    map[string]string `json:"data"`
		Android fcmAndroid        `json:"android"`
	}
	fcmAndroid struct {
		CollapseKey  string           `json:"collapse_key,omitempty"`
		Priority     string           `json:"priority"`
		TTL          string           `json:"ttl"`
		Notification *fcmNotification `json:"notification,omitempty"`
	}
	fcmNotification struct {
		Title string `json:"title,omitempty"`
		Body  string `json:"body,omitempty"`
		Tag   string `json:"tag,omitempty"`
		Count *int   `json:"notification_count,omitempty"`
	}
)

// message makes what is posted for a notification, within what FCM takes.
func (n *notification) fcm(token string) ([]byte, error) {
	for {
		data, err := json.Marshal(n.Payload)
		if err != nil {
			return nil, fmt.Errorf("encode: %w", err)
		}
		m := fcmMessage{Token: token, Data: map[string]string{"weft": string(data)}, Android: fcmAndroid{
			CollapseKey: n.topic, Priority: "HIGH", TTL: strconv.Itoa(int(n.ttl.Seconds())) + "s",
		}}
		shown := 0
		if n.silent {
			m.Android.Priority = "NORMAL"
		} else {
			m.Android.Notification = &fcmNotification{Title: n.Title, Body: n.Body, Tag: n.Tag, Count: n.Badge}
			shown = len(n.Title) + len(n.Body) + len(n.Tag)
		}
		if len(data)+shown+len("weft") > maxFCM-200 && n.shrink() { // 200: what the rest may count as
			continue
		}
		body, err := json.Marshal(fcmRequest{m})
		if err != nil {
			return nil, fmt.Errorf("encode: %w", err)
		}
		return body, nil
	}
}

// send implements provider.
func (f *fcm) send(ctx context.Context, d *destination, n *notification) outcome {
	body, err := n.fcm(d.address.Token)
	if err != nil {
		return outcome{result: resultBroken, detail: err.Error()}
	}
	token, err := f.tokens.Token()
	if err != nil {
		var refused *oauth2.RetrieveError
		if errors.As(err, &refused) && refused.Response != nil {
			o := outcome{result: resultOf(refused.Response.StatusCode), detail: "token: " + refused.Response.Status}
			if !o.again() { // whatever is wrong with our credentials, it is not the device's fault
				o.result = resultRefused
			}
			return o
		}
		o := failed(errors.Unwrap(err))
		if errors.Unwrap(err) == nil {
			o = failed(err)
		}
		return o
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, bytes.NewReader(body))
	if err != nil {
		return outcome{result: resultBroken, detail: err.Error()}
	}
	token.SetAuthHeader(req)
	req.Header.Set("Content-Type", "application/json")
	resp, err := f.client.Do(req)
	if err != nil {
		return failed(err)
	}
	return answered(resp, explainFCM)
}

// explainFCM reads an error (https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode). Only UNREGISTERED, and a
// token of another sender's, say something of the device: a 404 may as well be of the project.
func explainFCM(body []byte) (result, detail string) {
	var e struct {
		Error struct {
			Status  string `json:"status"`
			Message string `json:"message"`
			Details []struct {
				ErrorCode string `json:"errorCode"`
			} `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &e) != nil {
		return "", ""
	}
	code := e.Error.Status
	for _, d := range e.Error.Details {
		if d.ErrorCode != "" {
			code = d.ErrorCode
		}
	}
	switch code {
	case "UNREGISTERED", "SENDER_ID_MISMATCH":
		result = resultGone
	case "NOT_FOUND", "THIRD_PARTY_AUTH_ERROR", "PERMISSION_DENIED", "UNAUTHENTICATED":
		result = resultRefused
	case "QUOTA_EXCEEDED":
		result = resultLimited
	case "UNAVAILABLE", "INTERNAL":
		result = resultServer
	}
	return result, code + " " + e.Error.Message
}
