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

// API is a server's HTTP side: signing in and out, and looking people up. Errors that the server answers with are
// *fabric.Error; others say that it could not be asked. The zero HTTP is http.DefaultClient.
type API struct {
	URL  string
	HTTP *http.Client
}

// maxReply bounds what is read of a reply; the server's own limits are far below.
const maxReply = 8 << 20

// post asks the server; token, in and out may be empty.
func (a API) post(ctx context.Context, path, token string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("client: encode POST %s: %w", path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(a.URL, "/")+path, body)
	if err != nil {
		return fmt.Errorf("client: POST %s: %w", path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	doer := a.HTTP
	if doer == nil {
		doer = http.DefaultClient
	}
	resp, err := doer.Do(req)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return fmt.Errorf("client: read the reply to POST %s: %w", path, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return problem(resp.StatusCode, reply)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(reply, out); err != nil {
		return fmt.Errorf("client: decode the reply to POST %s: %w", path, err)
	}
	return nil
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
