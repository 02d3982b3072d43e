package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/fabric"
)

const crew fabric.GroupID = "01890000-0000-7000-8000-0000000000ff"

// asked is a request as a server gets it.
type asked struct{ call, token, contentType, body string }

// accountServer answers every request with the same reply and tells what it was asked.
func accountServer(t *testing.T, status int, contentType, reply string) (*client.Account, *asked) {
	t.Helper()
	got := new(asked)
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*got = asked{r.Method + " " + r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("Content-Type"), string(body)}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		w.Write([]byte(reply))
	}))
	t.Cleanup(h.Close)
	return client.NewAccount(client.API{URL: h.URL}, client.StaticToken("t0ken")), got
}

// reply returns a method's only result of interest, so that a table of calls reads as one.
func reply[T any](v T, err error) (any, error) { return v, err }

func TestWhatAnAccountAsks(t *testing.T) {
	ctx := t.Context()
	name, admins, week, forever, yes := "Crew", fabric.ByAdmins, 7*86_400, int64(fabric.MutedForever), true
	shown := client.Shown{
		Stored: fabric.Stored{Channel: annBob, Seq: 7, Prev: 5, At: 9, Message: fabric.Message{
			From: bob, CID: "c", Kind: "text", Body: json.RawMessage(`{"text":"hi"}`),
		}},
		EditedAt: 10, Reactions: []client.Reaction{{Emoji: "👍", Count: 1, Users: []fabric.UserID{ann}, Mine: true}}, Starred: true,
	}
	const shownJSON = `{"channel":"` + string(ann) + "." + string(bob) + `","seq":7,"prev":5,"at":9,"from":"` + string(bob) + `","cid":"c","kind":"text",` +
		`"body":{"text":"hi"},"edited_at":10,"reactions":[{"emoji":"👍","count":1,"users":["` + string(ann) + `"],"mine":true}],"starred":true}`
	cases := []struct {
		call, body string // as the server gets them
		reply      string
		ask        func(*client.Account) (any, error)
		want       any // nil: not looked at
	}{
		{"POST /v1/groups", `{"name":"Crew","members":["` + string(bob) + `"],"settings":{"send":"admins"},"cid":"c1"}`,
			`{"id":"` + string(crew) + `","channel":"g.` + string(crew) + `","role":"owner","members":1,"not_added":[{"user":"` + string(bob) + `","code":"forbidden"}]}`,
			func(a *client.Account) (any, error) {
				g, not, err := a.CreateGroup(ctx, client.NewGroup{
					Name: name, Members: []fabric.UserID{bob}, Settings: &client.SettingsPatch{Send: &admins}, CID: "c1",
				})
				if err == nil && (len(not) != 1 || not[0] != (client.NotAdded{User: bob, Code: fabric.CodeForbidden})) {
					t.Errorf("not added: %+v", not)
				}
				return g, err
			}, client.Group{ID: crew, Channel: crew.Channel(), Role: fabric.RoleOwner, Members: 1}},
		{"GET /v1/groups/" + string(crew), "", `{"name":"Crew"}`,
			func(a *client.Account) (any, error) { return reply(a.Group(ctx, crew)) }, client.Group{Name: "Crew"}},
		{"PATCH /v1/groups/" + string(crew), `{"name":"Crew","settings":{"disappear":604800}}`, `{"name":"Crew"}`,
			func(a *client.Account) (any, error) {
				return reply(a.ChangeGroup(ctx, crew, client.GroupPatch{Name: &name, Settings: &client.SettingsPatch{Disappear: &week}}))
			}, nil},
		{"GET /v1/groups/" + string(crew) + "/members?cursor=a%2Fb&limit=2", "", `{"members":[{"user":{"id":"` + string(bob) + `"},"role":"admin","joined_at":3}],"cursor":"c"}`,
			func(a *client.Account) (any, error) { return reply(a.Members(ctx, crew, 2, "a/b")) },
			client.MemberPage{Members: []client.Member{{User: fabric.User{ID: bob}, Role: fabric.RoleAdmin, JoinedAt: 3}}, Cursor: "c"}},
		{"POST /v1/groups/" + string(crew) + "/members", `{"users":["` + string(bob) + `"]}`, `{"added":["` + string(bob) + `"],"not_added":[]}`,
			func(a *client.Account) (any, error) {
				added, _, err := a.AddMembers(ctx, crew, bob)
				return added, err
			}, []fabric.UserID{bob}},
		{"PUT /v1/groups/" + string(crew) + "/members/" + string(bob), `{"role":"admin"}`, `{"user":"` + string(bob) + `","role":"admin"}`,
			func(a *client.Account) (any, error) { return reply(a.SetRole(ctx, crew, bob, fabric.RoleAdmin)) }, fabric.RoleAdmin},
		{"DELETE /v1/groups/" + string(crew) + "/members/" + string(bob), "", "",
			func(a *client.Account) (any, error) { return nil, a.RemoveMember(ctx, crew, bob) }, nil},
		{"POST /v1/groups/" + string(crew) + "/invites", `{"expires_in":60}`, `{"code":"k","expires_at":5}`,
			func(a *client.Account) (any, error) {
				return reply(a.Invite(ctx, crew, client.NewInvite{ExpiresIn: 60}))
			}, client.Invite{Code: "k", ExpiresAt: 5}},
		{"GET /v1/groups/" + string(crew) + "/invites", "", `{"invites":[{"code":"k","used":2}]}`,
			func(a *client.Account) (any, error) { return reply(a.Invites(ctx, crew)) }, []client.Invite{{Code: "k", Used: 2}}},
		{"DELETE /v1/groups/" + string(crew) + "/invites/a%2Fb", "", "",
			func(a *client.Account) (any, error) { return nil, a.RevokeInvite(ctx, crew, "a/b") }, nil},
		{"GET /v1/invites/k", "", `{"name":"Crew","members":3}`,
			func(a *client.Account) (any, error) { return reply(a.Invitation(ctx, "k")) }, client.Invitation{Name: "Crew", Members: 3}},
		{"POST /v1/invites/k", "", `{"name":"Crew"}`,
			func(a *client.Account) (any, error) { return reply(a.JoinByInvite(ctx, "k")) }, client.Group{Name: "Crew"}},
		{"GET /v1/channels/" + string(annBob), "", `{"id":"` + string(annBob) + `","unread":2,"muted_until":-1,"blocked":true,"last":` + shownJSON + `}`,
			func(a *client.Account) (any, error) { return reply(a.Channel(ctx, annBob)) },
			client.Channel{ID: annBob, Unread: 2, Blocked: true, Last: &shown, Prefs: fabric.Prefs{MutedUntil: fabric.MutedForever}}},
		{"PATCH /v1/channels/" + string(annBob), `{"muted_until":-1,"pinned":true}`, `{}`,
			func(a *client.Account) (any, error) {
				return reply(a.SetPrefs(ctx, annBob, client.PrefsPatch{MutedUntil: &forever, Pinned: &yes}))
			}, nil},
		{"GET /v1/channels/" + string(annBob) + "/messages/7", "", shownJSON,
			func(a *client.Account) (any, error) { return reply(a.Message(ctx, annBob, 7)) }, shown},
		{"DELETE /v1/channels/" + string(annBob) + "/messages/7?for=me", "", "",
			func(a *client.Account) (any, error) { return nil, a.DeleteForMe(ctx, annBob, 7) }, nil},
		{"PUT /v1/channels/" + string(annBob) + "/messages/7/star", "", "",
			func(a *client.Account) (any, error) { return nil, a.Star(ctx, annBob, 7, true) }, nil},
		{"DELETE /v1/channels/" + string(annBob) + "/messages/7/star", "", "",
			func(a *client.Account) (any, error) { return nil, a.Star(ctx, annBob, 7, false) }, nil},
		{"GET /v1/starred", "", `{"messages":[` + shownJSON + `]}`,
			func(a *client.Account) (any, error) { return reply(a.Starred(ctx, 0, "")) }, client.ShownPage{Messages: []client.Shown{shown}}},
		{"GET /v1/channels/" + string(annBob) + "/pins", "", `{"messages":[]}`,
			func(a *client.Account) (any, error) { return reply(a.Pins(ctx, annBob)) }, []client.Shown{}},
		{"GET /v1/search?channel=" + string(annBob) + "&limit=5&q=h%C3%A4+%26", "", `{"hits":[{"message":` + shownJSON + `,"snippet":[{"text":"hi","hit":true}]}],"cursor":"n"}`,
			func(a *client.Account) (any, error) {
				return reply(a.Search(ctx, client.SearchQuery{Text: "hä &", Channel: annBob, Limit: 5}))
			}, client.HitPage{Hits: []client.Hit{{Message: shown, Snippet: []client.SnippetPart{{Text: "hi", Hit: true}}}}, Cursor: "n"}},
		{"GET /v1/me", "", `{"id":"` + string(ann) + `","name":"Ann","privacy":{"last_seen":"all","read_receipts":true,"groups":"none"}}`,
			func(a *client.Account) (any, error) { return reply(a.Me(ctx)) },
			client.Me{User: fabric.User{ID: ann, Name: "Ann"}, Privacy: client.Privacy{LastSeen: "all", ReadReceipts: true, Groups: "none"}}},
		{"PATCH /v1/me", `{"name":"Crew","privacy":{"read_receipts":true}}`, `{}`,
			func(a *client.Account) (any, error) {
				return reply(a.ChangeMe(ctx, client.MePatch{Name: &name, Privacy: &client.PrivacyPatch{ReadReceipts: &yes}}))
			}, nil},
		{"DELETE /v1/me", `{"phone":"+49"}`, "", func(a *client.Account) (any, error) { return nil, a.DeleteMe(ctx, "+49") }, nil},
		{"GET /v1/users/" + string(bob), "", `{"name":"Bob","about":"here"}`,
			func(a *client.Account) (any, error) { return reply(a.User(ctx, bob)) }, fabric.User{Name: "Bob", About: "here"}},
		{"POST /v1/contacts/lookup", `{"phones":["+49"]}`, `{"users":[{"id":"` + string(bob) + `"}]}`,
			func(a *client.Account) (any, error) { return reply(a.Lookup(ctx, "+49")) }, []fabric.User{{ID: bob}}},
		{"GET /v1/contacts", "", `{"users":[]}`, func(a *client.Account) (any, error) { return reply(a.Contacts(ctx)) }, []fabric.User{}},
		{"DELETE /v1/contacts/" + string(bob), "", "", func(a *client.Account) (any, error) { return nil, a.ForgetContact(ctx, bob) }, nil},
		{"GET /v1/blocks", "", `{"users":[]}`, func(a *client.Account) (any, error) { return reply(a.Blocks(ctx)) }, []fabric.User{}},
		{"PUT /v1/blocks/" + string(bob), "", "", func(a *client.Account) (any, error) { return nil, a.Block(ctx, bob, true) }, nil},
		{"DELETE /v1/blocks/" + string(bob), "", "", func(a *client.Account) (any, error) { return nil, a.Block(ctx, bob, false) }, nil},
	}
	for _, tc := range cases {
		t.Run(tc.call, func(t *testing.T) {
			a, got := accountServer(t, http.StatusOK, "application/json", tc.reply)
			v, err := tc.ask(a)
			if err != nil {
				t.Fatal(err)
			}
			if got.call != tc.call || got.body != tc.body || got.token != "Bearer t0ken" {
				t.Errorf("asked for %+v\nwant %s with %s", got, tc.call, tc.body)
			}
			if (got.contentType == "application/json") != (tc.body != "") {
				t.Errorf("the body %q is of type %q", got.body, got.contentType)
			}
			if tc.want != nil && !reflect.DeepEqual(v, tc.want) {
				t.Errorf("got  %+v\nwant %+v", v, tc.want)
			}
			if _, err := tc.ask(refusing(t)); fabric.CodeOf(err) != fabric.CodeForbidden {
				t.Errorf("a refusal is %v", err)
			}
		})
	}
}

func refusing(t *testing.T) *client.Account {
	a, _ := accountServer(t, http.StatusForbidden, problemJSON, `{"code":"forbidden","detail":"no"}`)
	return a
}

func TestAvatarsAndExportsAreNoJSON(t *testing.T) {
	a, got := accountServer(t, http.StatusCreated, "application/json", `{"avatar":"abc"}`)
	if id, err := a.UploadAvatar(t.Context(), "image/png", []byte("\x89PNG")); err != nil || id != "abc" {
		t.Errorf("got %q, %v", id, err)
	}
	if *got != (asked{"POST /v1/avatars", "Bearer t0ken", "image/png", "\x89PNG"}) {
		t.Errorf("asked for %+v", got)
	}
	a, got = accountServer(t, http.StatusOK, "image/png", "\x89PNG")
	if picture, kind, err := a.Avatar(t.Context(), "abc"); err != nil || string(picture) != "\x89PNG" || kind != "image/png" {
		t.Errorf("got %q of %s, %v", picture, kind, err)
	}
	if got.call != "GET /v1/avatars/abc" {
		t.Errorf("asked for %+v", got)
	}
	a, got = accountServer(t, http.StatusOK, "application/zip", "PK")
	var zip bytes.Buffer
	if n, err := a.Export(t.Context(), &zip); err != nil || n != 2 || zip.String() != "PK" {
		t.Errorf("got %q (%d bytes), %v", zip.String(), n, err)
	}
	if got.call != "GET /v1/me/export" {
		t.Errorf("asked for %+v", got)
	}
	if _, err := refusing(t).Export(t.Context(), &zip); fabric.CodeOf(err) != fabric.CodeForbidden {
		t.Errorf("a refusal is %v", err)
	}
}

func TestAnAccountRenewsItsTokenOnce(t *testing.T) {
	served := 0
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		if r.Header.Get("Authorization") != "Bearer new" {
			w.WriteHeader(http.StatusUnauthorized)
			w.Write([]byte(`{"code":"unauthenticated","detail":"expired"}`))
			return
		}
		w.Write([]byte(`{"name":"Ann"}`))
	}))
	defer h.Close()
	token := func(fresh string) client.TokenSource {
		return tokenFunc(func(refused string) (string, error) {
			if refused == "" {
				return "old", nil
			}
			return fresh, nil
		})
	}
	if me, err := client.NewAccount(client.API{URL: h.URL}, token("new")).Me(t.Context()); err != nil || me.Name != "Ann" {
		t.Errorf("got %+v, %v", me, err)
	}
	served = 0
	_, err := client.NewAccount(client.API{URL: h.URL}, token("old")).Me(t.Context())
	if fabric.CodeOf(err) != fabric.CodeUnauthenticated || served != 2 {
		t.Errorf("got %v after %d requests, want unauthenticated after 2", err, served)
	}
	if _, err := client.NewAccount(client.API{URL: h.URL}, client.StaticToken("old")).Me(context.Background()); fabric.CodeOf(err) != fabric.CodeUnauthenticated {
		t.Errorf("got %v from who can't renew", err)
	}
}

func TestASessionsAccountIsAtItsServer(t *testing.T) {
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/under/v1/me" || r.Header.Get("Authorization") != "Bearer t0ken" {
			http.NotFound(w, r)
			return
		}
		w.Write([]byte(`{"name":"Ann"}`))
	}))
	defer h.Close()
	s, err := client.Dial(client.Options{URL: "ws" + h.URL[len("http"):] + "/under/", Tokens: client.StaticToken("t0ken")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if me, err := s.Account().Me(t.Context()); err != nil || me.Name != "Ann" {
		t.Errorf("got %+v, %v", me, err)
	}
}
