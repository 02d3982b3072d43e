package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/weft-im/weft/fabric"
)

// API is a server's HTTP side as far as it needs no user: signing in and out. What a signed-in user does over HTTP is
// Account's. Errors that the server answers with are *fabric.Error; others say that it could not be asked. The zero HTTP is
// http.DefaultClient.
type API struct {
	URL  string
	HTTP *http.Client
}

// maxReply bounds what is read of a reply; the server's own limits are far below.
const maxReply = 8 << 20

// post asks the server; token, in and out may be empty.
func (a API) post(ctx context.Context, path, token string, in, out any) error {
	return a.call(ctx, http.MethodPost, path, token, in, out)
}

// call asks the server, with in as JSON, and decodes the reply into out; token, in and out may be empty.
func (a API) call(ctx context.Context, method, path, token string, in, out any) error {
	req := apiRequest{method: method, path: path, token: token}
	if in != nil {
		var err error
		if req.body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("client: encode %s %s: %w", method, path, err)
		}
		req.contentType = "application/json"
	}
	resp, err := a.do(ctx, req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return fmt.Errorf("client: read the reply to %s %s: %w", method, path, err)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(reply, out); err != nil {
		return fmt.Errorf("client: decode the reply to %s %s: %w", method, path, err)
	}
	return nil
}

// apiRequest is one request; body and what says whose and of what type it is may be empty.
type apiRequest struct {
	method, path, token, contentType string
	body                             []byte

	stream io.Reader // instead of body: so many bytes as length says
	length int64
	header map[string]string
}

// do asks the server and returns its reply where that is no error. Close its body.
func (a API) do(ctx context.Context, r apiRequest) (*http.Response, error) {
	var body io.Reader
	switch {
	case r.stream != nil:
		body = io.NopCloser(r.stream)
	case r.body != nil:
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, strings.TrimSuffix(a.URL, "/")+r.path, body)
	if err != nil {
		return nil, fmt.Errorf("client: %s %s: %w", r.method, r.path, err)
	}
	if r.stream != nil {
		req.ContentLength = r.length
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	doer := a.HTTP
	if doer == nil {
		doer = http.DefaultClient
	}
	resp, err := doer.Do(req)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return resp, nil
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("client: read the reply to %s %s: %w", r.method, r.path, err)
	}
	return nil, problem(resp.StatusCode, reply)
}

// problem returns the error that a reply stands for: RFC 9457's problem document where it is one, what the status says
// where something in between answered.
func problem(status int, reply []byte) *fabric.Error {
	var p struct {
		Title  string      `json:"title"`
		Code   fabric.Code `json:"code"`
		Detail string      `json:"detail"`
	}
	if json.Unmarshal(reply, &p) == nil && p.Code != "" {
		if p.Detail == "" {
			p.Detail = p.Title
		}
		return &fabric.Error{Code: p.Code, Message: p.Detail}
	}
	return fabric.Errorf(codeOf(status), "the server answered with status %d", status)
}

// codeOf returns the code whose status this is, or the nearest one.
func codeOf(status int) fabric.Code {
	for _, code := range []fabric.Code{
		fabric.CodeBadRequest, fabric.CodeUnauthenticated, fabric.CodeForbidden, fabric.CodeNotFound,
		fabric.CodeConflict, fabric.CodeTooLarge, fabric.CodeRateLimited, fabric.CodeUnavailable,
	} {
		if fabric.StatusOf(code) == status {
			return code
		}
	}
	switch {
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout:
		return fabric.CodeUnavailable
	case status < 500:
		return fabric.CodeBadRequest
	}
	return fabric.CodeInternal
}
