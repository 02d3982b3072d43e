package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/weft-im/weft/fabric"
)

// Account is what a signed-in user does over HTTP: groups, the list of channels, single messages, search, their profile
// and whom they know. It needs no Session, and goes well beside one: what it changes comes to all of the user's sessions as
// events. Its methods may be called from any goroutine. Errors that the server answers with are *fabric.Error.
type Account struct {
	api    API
	tokens TokenSource
}

// NewAccount returns the account whose access tokens these are; a token that is refused is renewed once per call.
func NewAccount(api API, tokens TokenSource) *Account { return &Account{api, tokens} }

// Account returns the account of the session's user, with the session's tokens.
func (s *Session) Account() *Account {
	base := s.opt.URL
	if rest, ok := strings.CutPrefix(base, "ws"); ok { // ws and wss are http and https with another name
		base = "http" + rest
	}
	return NewAccount(API{URL: base, HTTP: s.opt.HTTP}, s.opt.Tokens)
}

// call asks the server as the user.
func (a *Account) call(ctx context.Context, method, path string, in, out any) error {
	return a.signed(ctx, func(token string) error { return a.api.call(ctx, method, path, token, in, out) })
}

// signed calls ask with an access token, and once more with another one where the server refuses the first.
func (a *Account) signed(ctx context.Context, ask func(token string) error) error {
	token, err := a.tokens.Token(ctx, "")
	if err != nil {
		return err
	}
	err = ask(token)
	if fabricCode(err) != fabric.CodeUnauthenticated {
		return err
	}
	if token, err = a.tokens.Token(ctx, token); err != nil {
		return err
	}
	return ask(token)
}

func (a *Account) get(ctx context.Context, path string, out any) error {
	return a.call(ctx, http.MethodGet, path, nil, out)
}

// pathOf returns a path whose every other part is data: pathOf("/v1/groups/", id, "/members").
func pathOf[T ~string](before string, part T, after ...string) string {
	path := before + url.PathEscape(string(part))
	for i, p := range after {
		if i%2 == 1 {
			p = url.PathEscape(p)
		}
		path += p
	}
	return path
}

// query is a request's query, without what is empty.
type query url.Values

func (q query) text(name, value string) query {
	if value != "" {
		q[name] = []string{value}
	}
	return q
}

func (q query) number(name string, value uint64) query {
	if value != 0 {
		q[name] = []string{strconv.FormatUint(value, 10)}
	}
	return q
}

// page adds what asks for a page of a list.
func (q query) page(limit int, cursor string) query {
	return q.number("limit", uint64(max(limit, 0))).text("cursor", cursor)
}

// of returns path with the query behind it.
func (q query) of(path string) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + url.Values(q).Encode()
}
