package edge_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/weft-im/weft/auth"
	"github.com/weft-im/weft/client"
	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/push"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/weftest"
)

// What ann and bob say, and what their group is called: nobody else may see it.
const (
	secretText  = "the loom is at dawn"
	secretGroup = "conspiracy of weavers"
)

// house is what the tests of refusals try to get into: ann's chat with bob, and her group with him, which ron was in once.
// cem is a stranger to it, dan is blocked by ann.
type house struct {
	*edgetest.Fabric
	edge                    *edgetest.Edge
	ann, bob, cem, dan, ron client.Grant
	tablet                  client.Grant // ann's, revoked
	there, nowhere          []string     // pairs of a placeholder and what stands for it: of what there is, and of what there is not
}

func newHouse(t *testing.T) *house {
	t.Helper()
	f := edgetest.Start(t, edgetest.Config{Push: &push.Config{}})
	h := &house{Fabric: f, edge: f.Edge(t)}
	for name, g := range map[string]*client.Grant{"ann": &h.ann, "bob": &h.bob, "cem": &h.cem, "dan": &h.dan, "ron": &h.ron} {
		*g = f.User(t, h.edge, name+" Weaver")
	}
	ann, bob := h.ann.User.ID, h.bob.User.ID
	status, made := groupCall(t, h.edge, h.ann, "POST", "/v1/groups", map[string]any{"name": secretGroup, "members": []fabric.UserID{bob, h.ron.User.ID}})
	if status != 201 {
		t.Fatalf("a group: %d %v", status, made)
	}
	group := fabric.ChannelID(made.Str("channel"))
	chat := post(t, h.edge, h.ann, string(bob), fabric.NewCID(), secretText).Num("seq")
	said := post(t, h.edge, h.ann, string(group), fabric.NewCID(), secretText).Num("seq")
	invite := do(t, h.edge, h.ann, "POST", "/v1/groups/"+string(group)+"/invites", map[string]any{}, 201).Str("code")
	ended := do(t, h.edge, h.ann, "POST", "/v1/groups/"+string(group)+"/invites", map[string]any{}, 201).Str("code")
	do(t, h.edge, h.ann, "DELETE", "/v1/groups/"+string(group)+"/invites/"+ended, nil, 204)
	do(t, h.edge, h.ann, "DELETE", "/v1/groups/"+string(group)+"/members/"+string(h.ron.User.ID), nil, 204)
	do(t, h.edge, h.ann, "PUT", "/v1/blocks/"+string(h.dan.User.ID), nil, 204)
	h.tablet = edgetest.SignIn(t, h.edge.URL, h.ann.User.Phone, "ann's tablet")
	do(t, h.edge, h.ann, "DELETE", "/v1/devices/"+string(h.tablet.Device.ID), nil, 204)
	outEverywhere(t, h.tablet.AccessToken, h.edge)

	up := tus{t, h.edge.URL, h.ann}
	media := up.upload(string(group), picture(t, "png", 8, 8), "x.png", "")
	if status, o := groupCall(t, h.edge, h.ann, "POST", "/v1/channels/"+string(group)+"/messages", map[string]any{
		"cid": fabric.NewCID(), "kind": "media", "body": map[string]any{"media": media},
	}); status != 201 {
		t.Fatalf("a file: %d %v", status, o)
	}
	open := idOfUpload(up.create(string(group), 5, "x", ""))

	nobody, none := fabric.NewUserID(), fabric.NewCID()
	h.there = []string{
		"{group}", strings.TrimPrefix(string(group), "g."), "{bob}", string(bob), "{ann}", string(ann), "{device}", string(h.ann.Device.ID),
		"{chat}", string(edgetest.Direct(h.ann, h.bob)), "{self}", string(fabric.Self(ann)),
		"{said}", fmt.Sprint(said), "{wrote}", fmt.Sprint(chat), "{invite}", invite, "{ended}", ended, "{phone}", h.ann.User.Phone,
		"{media}", string(media), "{upload}", string(open),
	}
	h.nowhere = []string{
		"{group}", none, "{bob}", string(fabric.NewUserID()), "{ann}", string(nobody), "{device}", string(fabric.NewDeviceID()),
		"{chat}", string(fabric.Direct(nobody, fabric.NewUserID())), "{self}", string(fabric.Self(nobody)),
		"{said}", "1000001", "{wrote}", "1000002", "{invite}", "AAAAAAAAAAAAAAAAAAAAAA", "{ended}", "BBBBBBBBBBBBBBBBBBBBBB", "{phone}", "+4915129999999",
		"{media}", string(fabric.NewMediaID()), "{upload}", string(fabric.NewMediaID()),
	}
	return h
}

// with puts ids in their places.
func with(ids []string, text string) string {
	text = strings.ReplaceAll(text, "{cid}", fabric.NewCID())
	return strings.NewReplacer(ids...).Replace(text)
}

// plain takes the ids out of an answer again: what is left of two answers is the same, or tells something.
func plain(ids []string, answer string) string {
	type id struct{ placeholder, text string }
	var known []id
	for pair := range slices.Chunk(ids, 2) {
		known = append(known, id{pair[0], pair[1]})
	}
	// The longer ones come first: a channel has users' ids in it.
	slices.SortStableFunc(known, func(a, b id) int { return len(b.text) - len(a.text) })
	for _, k := range known {
		answer = regexp.MustCompile(`\b`+regexp.QuoteMeta(strings.TrimPrefix(k.text, "+"))+`\b`).ReplaceAllString(answer, k.placeholder)
	}
	return answer
}

// inside are words of what is behind the API: of Go, SQL, NATS, and files.
var inside = regexp.MustCompile(`(?i)goroutine|panic|runtime|\.go\b|\bselect\b|insert into|sqlite|postgres|pgx|\bsql\b|nats|jetstream|weft\.[a-z]+\.|\b(msg|live|svc|rcpt)\.\d|contract\.|fabric\.|json:|struct|\*[a-z]+\.|/home|/tmp|0x[0-9a-f]{6}`)

// leaks says what of an answer is nobody's to see.
func (h *house) leaks(answer string) string {
	for _, secret := range []string{secretText, secretGroup, h.ann.User.Phone, h.bob.User.Phone, h.ann.AccessToken, h.ann.RefreshToken} {
		if strings.Contains(answer, secret) {
			return secret
		}
	}
	return inside.FindString(answer)
}

// impostor is somebody who shows what is no good access token.
type impostor struct {
	name, token string
	close       int // how a WebSocket that says hello with it is closed
}

func (h *house) impostors(t *testing.T) []impostor {
	t.Helper()
	others, err := auth.OpenKeys(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	issued := func(k *auth.Keys, at time.Time) string {
		token, _, err := k.Issuer().Issue(h.ann.User.ID, h.ann.Device.ID, "", at)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	creds, _, err := h.NATS.Keys.ServiceCreds("orders")
	if err != nil {
		t.Fatal(err)
	}
	service, err := nkeys.ParseDecoratedJWT(creds)
	if err != nil {
		t.Fatal(err)
	}
	role, _, err := h.NATS.Keys.Creds(subjects.RoleEdge)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(h.ann.AccessToken, ".")
	// The same user's token, with claims that say another one.
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	swapped := base64.RawURLEncoding.EncodeToString([]byte(strings.ReplaceAll(string(claims), string(h.ann.User.ID), string(h.bob.User.ID))))
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"none"}`))
	return []impostor{
		{"nobody", "", 4401},
		{"an expired token", issued(h.NATS.Keys, time.Now().Add(-auth.AccessLife-auth.Skew-2*time.Second)), 4401},
		{"a token of another fabric", issued(others, time.Now()), 4401},
		{"a tampered token", parts[0] + "." + swapped + "." + parts[2], 4401},
		{"a token without a signature", parts[0] + "." + parts[1] + ".", 4401},
		{"a token of no algorithm", none + "." + parts[1] + ".", 4401},
		{"a revoked device", h.tablet.AccessToken, 4403},
		{"a refresh token", h.ann.RefreshToken, 4401},
		{"an internal service's JWT", service, 4401},
		{"an internal service's credentials", base64.RawURLEncoding.EncodeToString(creds), 4401},
		{"a role's JWT", role, 4401},
		{"garbage", "x.y.z", 4401},
	}
}

// state is all that ann sees: what the attempts of others must not change.
func (h *house) state(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, path := range []string{
		"/v1/me", "/v1/devices", "/v1/blocks", "/v1/contacts", "/v1/starred", "/v1/groups/{group}", "/v1/groups/{group}/members", "/v1/groups/{group}/invites",
		"/v1/channels/{chat}", "/v1/channels/{chat}/messages", "/v1/channels/{chat}/pins", "/v1/channels/{chat}/receipts",
		"/v1/channels/g.{group}", "/v1/channels/g.{group}/messages", "/v1/channels/g.{group}/pins", "/v1/channels/{self}/messages",
	} {
		resp, body := fetch(t, h.edge, h.ann, "GET", with(h.there, path), nil)
		if resp.status != 200 {
			t.Fatalf("ann's %s: %d %s", path, resp.status, body)
		}
		fmt.Fprintf(&b, "%s %s\n", path, body)
	}
	return b.String()
}

// quiet waits until nothing of ann's changes by itself any more: receipts are written a moment later.
func (h *house) quiet(t *testing.T) string {
	t.Helper()
	was := ""
	weftest.Eventually(t, "ann's things are quiet", func() bool {
		before := was
		was = h.state(t)
		return was == before
	})
	return was
}

// number matches a field whose value is a number or text.
func number(field string) *regexp.Regexp {
	return regexp.MustCompile(`"` + field + `":("[^"]*"|\d+)`)
}
