package edge_test

import (
	"fmt"
	"strings"

	"github.com/weft-im/weft/edge/edgetest"
	"github.com/weft-im/weft/fabric"
)

// again makes a call whose answer has a tag, and once more with it.
func (h *held) again(c call) edgetest.Object {
	h.t.Helper()
	o := h.do(c)
	if h.tag == "" {
		h.t.Errorf("%s %s: the answer has no ETag", c.op, c.path)
	}
	c.want, c.tag = 304, h.tag
	h.do(c)
	return o
}

// refused makes calls that nobody is let make without a token.
func (h *held) refused(calls ...call) {
	h.t.Helper()
	for _, c := range calls {
		c.want, c.token, c.wrong = 401, "", true
		h.do(c)
	}
}

func idOf(grant edgetest.Object) string { return sub(grant, "user").Str("id") }

var pad = `{"pad":"` + strings.Repeat("x", 80<<10) + `"}` // over any bound

// people makes the calls about oneself and others.
func (h *held) people(ann, bob edgetest.Object) {
	t, access, bobID, nobody := h.t, ann.Str("access_token"), idOf(bob), string(fabric.NewUserID())
	h.again(call{op: "getMe", want: 200, path: "/v1/me", token: access})
	h.again(call{op: "getUser", want: 200, path: "/v1/users/" + bobID, token: access})

	png := string(picture(t, "png", 8, 8))
	id := h.do(call{op: "postAvatar", want: 201, path: "/v1/avatars", token: access, body: png, kind: "image/png"}).Str("avatar")
	h.do(call{op: "postAvatar", want: 201, path: "/v1/avatars", token: access, body: string(picture(t, "jpeg", 8, 8)), kind: "image/jpeg"})
	h.do(call{op: "postAvatar", want: 400, path: "/v1/avatars", token: access, body: "no picture", kind: "image/webp"})
	h.do(call{op: "postAvatar", want: 413, path: "/v1/avatars", token: access, body: png + strings.Repeat("x", 256<<10), kind: "image/png"})
	h.refused(call{op: "postAvatar", path: "/v1/avatars", body: png, kind: "image/png"})
	for range 16 {
		h.do(call{op: "postAvatar", want: 201, path: "/v1/avatars", token: access, body: png, kind: "image/png"})
	}
	h.do(call{op: "postAvatar", want: 429, path: "/v1/avatars", token: access, body: png, kind: "image/png"})
	h.again(call{op: "getAvatar", want: 200, path: "/v1/avatars/" + id, token: access})
	h.do(call{op: "getAvatar", want: 400, path: "/v1/avatars/x", token: access, wrong: true})
	h.do(call{op: "getAvatar", want: 404, path: "/v1/avatars/" + strings.Repeat("0", 64), token: access})
	h.refused(call{op: "getAvatar", path: "/v1/avatars/" + id})

	h.do(call{op: "patchMe", want: 200, path: "/v1/me", token: access, body: fmt.Sprintf(
		`{"about":"weaves","avatar":%q,"privacy":{"last_seen":"contacts","read_receipts":true,"groups":"all"}}`, id)})
	h.do(call{op: "getUser", want: 200, path: "/v1/users/" + idOf(ann), token: bob.Str("access_token")})

	h.do(call{op: "getContacts", want: 200, path: "/v1/contacts", token: access})
	h.do(call{op: "deleteContact", want: 204, path: "/v1/contacts/" + bobID, token: access})
	h.do(call{op: "deleteContact", want: 400, path: "/v1/contacts/x", token: access, wrong: true})
	h.do(call{op: "putBlock", want: 204, path: "/v1/blocks/" + bobID, token: access})
	h.do(call{op: "putBlock", want: 400, path: "/v1/blocks/" + idOf(ann), token: access})
	h.do(call{op: "putBlock", want: 404, path: "/v1/blocks/" + nobody, token: access})
	h.do(call{op: "getBlocks", want: 200, path: "/v1/blocks", token: access})
	h.do(call{op: "getChannels", want: 200, path: "/v1/channels", token: access}) // blocked
	h.do(call{op: "deleteBlock", want: 204, path: "/v1/blocks/" + bobID, token: access})
	h.do(call{op: "deleteBlock", want: 400, path: "/v1/blocks/x", token: access, wrong: true})
	h.refused(
		call{op: "getContacts", path: "/v1/contacts"}, call{op: "deleteContact", path: "/v1/contacts/" + bobID},
		call{op: "getBlocks", path: "/v1/blocks"}, call{op: "putBlock", path: "/v1/blocks/" + bobID}, call{op: "deleteBlock", path: "/v1/blocks/" + bobID},
		call{op: "getExport", path: "/v1/me/export"},
	)
	for range 3 {
		h.do(call{op: "getExport", want: 200, path: "/v1/me/export", token: access})
	}
	h.do(call{op: "getExport", want: 429, path: "/v1/me/export", token: access})

	h.again(call{op: "getOpenAPI", want: 200, path: "/v1/openapi.yaml"})
	h.again(call{op: "getAsyncAPI", want: 200, path: "/v1/asyncapi.yaml"})
}

// groups makes the calls about groups: ann's, which bob and cem come to.
func (h *held) groups(ann, bob, cem edgetest.Object) {
	a, b, c := ann.Str("access_token"), bob.Str("access_token"), cem.Str("access_token")
	bobID, cemID, nobody := idOf(bob), idOf(cem), string(fabric.NewUserID())
	made := fmt.Sprintf(`{"cid":%q,"name":"Weavers","about":"we\nweave","members":[%q,%q],"settings":{"send":"all"}}`, fabric.NewCID(), bobID, nobody)
	g := h.do(call{op: "postGroup", want: 201, path: "/v1/groups", token: a, body: made})
	h.do(call{op: "postGroup", want: 200, path: "/v1/groups", token: a, body: made})
	h.do(call{op: "postGroup", want: 400, path: "/v1/groups", token: a, body: `{"name":""}`, wrong: true})
	h.do(call{op: "postGroup", want: 413, path: "/v1/groups", token: a, body: pad, wrong: true})

	path, channel := "/v1/groups/"+g.Str("id"), "/v1/channels/"+g.Str("channel")
	members, invites := path+"/members", path+"/invites"
	strange := "/v1/groups/" + nobody // one that there is not is one that one is not in
	h.again(call{op: "getGroup", want: 200, path: path, token: b})
	h.do(call{op: "getGroup", want: 200, path: "/v1/groups/" + g.Str("channel"), token: b})
	h.do(call{op: "getGroup", want: 400, path: "/v1/groups/x", token: a, wrong: true})
	h.do(call{op: "getGroup", want: 403, path: path, token: c})
	h.do(call{op: "patchGroup", want: 200, path: path, token: a, body: `{"name":"Weavers of Ulm","settings":{"change":"admins","disappear":86400}}`})
	h.do(call{op: "patchGroup", want: 400, path: path, token: a, body: `{"settings":{"disappear":5}}`, wrong: true})
	h.do(call{op: "patchGroup", want: 403, path: path, token: b, body: `{"name":"Bob's"}`})
	h.do(call{op: "patchGroup", want: 413, path: path, token: a, body: pad})

	h.do(call{op: "getMembers", want: 200, path: members + "?limit=1", token: b})
	h.do(call{op: "getMembers", want: 400, path: members + "?cursor=x", token: b})
	h.do(call{op: "getMembers", want: 403, path: strange + "/members", token: b})
	add := fmt.Sprintf(`{"users":[%q,%q]}`, cemID, nobody)
	h.do(call{op: "postMembers", want: 403, path: members, token: b, body: add})
	h.do(call{op: "postMembers", want: 200, path: members, token: a, body: add})
	h.do(call{op: "postMembers", want: 400, path: members, token: a, body: `{"users":[]}`, wrong: true})
	h.do(call{op: "postMembers", want: 413, path: members, token: a, body: pad, wrong: true})
	h.do(call{op: "deleteMember", want: 204, path: members + "/" + cemID, token: c})
	h.do(call{op: "putMember", want: 201, path: members + "/" + cemID, token: a})
	h.do(call{op: "putMember", want: 200, path: members + "/" + cemID, token: a, body: `{"role":"admin"}`})
	h.do(call{op: "putMember", want: 400, path: members + "/" + cemID, token: a, body: `{"role":"king"}`, wrong: true})
	h.do(call{op: "putMember", want: 403, path: members + "/" + cemID, token: b, body: `{"role":"member"}`})
	h.do(call{op: "putMember", want: 404, path: members + "/" + nobody, token: a})
	h.do(call{op: "putMember", want: 409, path: members + "/" + idOf(ann), token: a, body: `{"role":"member"}`})
	h.do(call{op: "putMember", want: 413, path: members + "/" + cemID, token: a, body: pad})
	h.do(call{op: "deleteMember", want: 400, path: members + "/x", token: a, wrong: true})
	h.do(call{op: "deleteMember", want: 403, path: members + "/" + cemID, token: b})
	h.do(call{op: "deleteMember", want: 404, path: members + "/" + nobody, token: a})
	h.do(call{op: "deleteMember", want: 409, path: members + "/" + idOf(ann), token: a})

	in := h.do(call{op: "postInvite", want: 201, path: invites, token: a, body: `{"expires_in":3600,"uses":5}`}).Str("code")
	h.do(call{op: "postInvite", want: 400, path: invites, token: a, body: `{"uses":-1}`, wrong: true})
	h.do(call{op: "postInvite", want: 403, path: invites, token: b})
	h.do(call{op: "postInvite", want: 413, path: invites, token: a, body: pad})
	for range 49 {
		h.do(call{op: "postInvite", want: 201, path: invites, token: a})
	}
	h.do(call{op: "postInvite", want: 409, path: invites, token: a})
	h.do(call{op: "getInvites", want: 200, path: invites, token: a})
	h.do(call{op: "getInvites", want: 400, path: "/v1/groups/x/invites", token: a, wrong: true})
	h.do(call{op: "getInvites", want: 403, path: invites, token: b})
	h.do(call{op: "deleteMember", want: 204, path: members + "/" + bobID, token: a})
	h.again(call{op: "getInvite", want: 200, path: "/v1/invites/" + in, token: b})
	h.do(call{op: "getInvite", want: 404, path: "/v1/invites/x", token: b})
	h.do(call{op: "acceptInvite", want: 200, path: "/v1/invites/" + in, token: b})
	h.do(call{op: "acceptInvite", want: 404, path: "/v1/invites/x", token: b})
	h.do(call{op: "deleteInvite", want: 403, path: invites + "/" + in, token: b})
	h.do(call{op: "deleteInvite", want: 204, path: invites + "/" + in, token: a})
	h.do(call{op: "deleteInvite", want: 404, path: invites + "/" + in, token: a})
	h.do(call{op: "deleteInvite", want: 400, path: "/v1/groups/x/invites/" + in, token: a, wrong: true})

	h.again(call{op: "getChannel", want: 200, path: channel, token: b})
	h.do(call{op: "getChannel", want: 400, path: "/v1/channels/x", token: b, wrong: true})
	h.do(call{op: "getChannel", want: 403, path: "/v1/channels/g." + nobody, token: b})
	h.do(call{op: "patchChannel", want: 200, path: channel, token: b, body: `{"muted_until":-1,"archived":true,"pinned":true,"marked_unread":true}`})
	h.do(call{op: "patchChannel", want: 400, path: channel, token: b, body: `{"disappear":86400}`}) // a group has it among its settings
	h.do(call{op: "patchChannel", want: 403, path: "/v1/channels/g." + nobody, token: b, body: `{"pinned":true}`})
	h.do(call{op: "patchChannel", want: 413, path: channel, token: b, body: pad})
	h.do(call{op: "getReceipts", want: 200, path: channel + "/receipts?limit=1", token: b})
	h.do(call{op: "getMessages", want: 200, path: channel + "/messages", token: b})
	h.refused(
		call{op: "postGroup", path: "/v1/groups", body: made}, call{op: "getGroup", path: path}, call{op: "patchGroup", path: path, body: `{}`},
		call{op: "getMembers", path: members}, call{op: "postMembers", path: members, body: add},
		call{op: "putMember", path: members + "/" + bobID}, call{op: "deleteMember", path: members + "/" + bobID},
		call{op: "getInvites", path: invites}, call{op: "postInvite", path: invites}, call{op: "deleteInvite", path: invites + "/x"},
		call{op: "getInvite", path: "/v1/invites/x"}, call{op: "acceptInvite", path: "/v1/invites/x"},
		call{op: "getChannel", path: channel}, call{op: "patchChannel", path: channel, body: `{}`},
	)
}

// messages makes the calls about messages, in the chat of ann and bob.
func (h *held) messages(ann, bob edgetest.Object, chat string) {
	a, b := ann.Str("access_token"), bob.Str("access_token")
	path := "/v1/channels/" + chat
	send := func(kind, body string) string {
		h.t.Helper()
		o := h.do(call{op: "postMessage", want: 201, path: path + "/messages", token: a, body: fmt.Sprintf(`{"cid":%q,"kind":%q,"body":%s}`, fabric.NewCID(), kind, body)})
		return fmt.Sprint(o.Num("seq"))
	}
	h.do(call{op: "patchChannel", want: 200, path: path, token: a, body: `{"disappear":604800}`})
	seq := send("text", `{"text":"warp and weft"}`)
	send("edit", `{"seq":`+seq+`,"body":{"text":"weft and warp"}}`)
	send("reaction", `{"seq":`+seq+`,"emoji":"✓"}`)
	send("pin", `{"seq":`+seq+`,"on":true}`)
	one := path + "/messages/" + seq
	h.do(call{op: "putStar", want: 204, path: one + "/star", token: a})
	h.again(call{op: "getMessage", want: 200, path: one, token: a}) // with everything that it can have
	h.do(call{op: "getMessage", want: 400, path: path + "/messages/0", token: a, wrong: true})
	h.do(call{op: "getMessage", want: 403, path: "/v1/channels/g." + string(fabric.NewUserID()) + "/messages/1", token: a})
	h.do(call{op: "getMessage", want: 404, path: path + "/messages/1000000", token: a})
	h.do(call{op: "getPins", want: 200, path: path + "/pins", token: b})
	h.do(call{op: "getPins", want: 400, path: "/v1/channels/x/pins", token: b, wrong: true})
	h.do(call{op: "getPins", want: 403, path: "/v1/channels/g." + string(fabric.NewUserID()) + "/pins", token: b})
	h.do(call{op: "getStarred", want: 200, path: "/v1/starred?limit=1", token: a})
	h.do(call{op: "getStarred", want: 400, path: "/v1/starred?cursor=x", token: a})
	h.do(call{op: "getSearch", want: 200, path: "/v1/search?q=war+weft&channel=" + chat, token: b})
	h.do(call{op: "getSearch", want: 200, path: "/v1/search?q=weft", token: b})
	h.do(call{op: "getSearch", want: 400, path: "/v1/search?q=", token: b, wrong: true})
	for _, op := range []string{"putStar", "deleteStar"} {
		h.do(call{op: op, want: 400, path: path + "/messages/x/star", token: a, wrong: true})
		h.do(call{op: op, want: 403, path: "/v1/channels/g." + string(fabric.NewUserID()) + "/messages/1/star", token: a})
		h.do(call{op: op, want: 404, path: path + "/messages/1000000/star", token: a})
	}
	h.do(call{op: "deleteStar", want: 204, path: one + "/star", token: a})
	h.do(call{op: "deleteMessage", want: 400, path: one + "?for=you", token: a, wrong: true})
	h.do(call{op: "deleteMessage", want: 403, path: one + "?for=all", token: b})
	h.do(call{op: "deleteMessage", want: 404, path: path + "/messages/1000000", token: a})
	h.do(call{op: "deleteMessage", want: 204, path: one + "?for=all", token: a})
	h.do(call{op: "deleteMessage", want: 409, path: one + "?for=all", token: a})
	h.do(call{op: "getMessage", want: 200, path: one, token: b}) // deleted
	h.do(call{op: "deleteMessage", want: 204, path: one, token: b})
	h.refused(
		call{op: "getMessage", path: one}, call{op: "deleteMessage", path: one}, call{op: "putStar", path: one + "/star"}, call{op: "deleteStar", path: one + "/star"},
		call{op: "getPins", path: path + "/pins"}, call{op: "getStarred", path: "/v1/starred"}, call{op: "getSearch", path: "/v1/search?q=x"},
	)
}

// end deletes an account.
func (h *held) end(cem edgetest.Object) {
	access, phone := cem.Str("access_token"), sub(cem, "user").Str("phone")
	h.do(call{op: "deleteMe", want: 400, path: "/v1/me", token: access, body: `{"phone":`, wrong: true})
	h.do(call{op: "deleteMe", want: 403, path: "/v1/me", token: access, body: `{"phone":"+4915120000001"}`})
	h.do(call{op: "deleteMe", want: 413, path: "/v1/me", token: access, body: pad})
	h.refused(call{op: "deleteMe", path: "/v1/me", body: `{"phone":"` + phone + `"}`})
	h.do(call{op: "deleteMe", want: 204, path: "/v1/me", token: access, body: `{"phone":"` + phone + `"}`})
}
