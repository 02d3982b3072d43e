package importer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/service"
	"github.com/weft-im/weft/subjects"
	"github.com/weft-im/weft/whatsapp"
)

// How an author became a member.
const (
	ByFlag  = "as said"
	ByName  = "by name"
	ByPhone = "by phone"
	ByFrom  = "stands for them"
)

// Author is somebody who wrote in a file, and the member who has written it once it is imported.
type Author struct {
	Name     string // in the file
	Messages int
	User     *fabric.User // nil where nobody is
	How      string
}

// people are the channel's members by their ids, and the channel's name.
type people struct {
	title   string
	members map[fabric.UserID]fabric.User
}

// maxPhones bounds of how many members the phones are asked for.
const maxPhones = 2000

// people asks who is in the channel.
func (im *Importer) people(ctx context.Context) (people, error) {
	p := people{members: make(map[fabric.UserID]fabric.User)}
	if low, high, ok := im.cfg.Channel.Users(); ok {
		for _, u := range []fabric.UserID{low, high} {
			user, err := im.user(ctx, u)
			if err != nil {
				return p, err
			}
			p.members[u] = user
		}
		p.title = fmt.Sprintf("the chat of %q and %q", p.members[low].Name, p.members[high].Name)
		return p, nil
	}
	// A group tells its members only who is one.
	viewer := im.cfg.From
	for _, u := range slices.Sorted(maps.Values(im.cfg.As)) {
		viewer = cmp.Or(viewer, u)
	}
	if viewer == "" {
		return p, fabric.Errorf(fabric.CodeBadRequest, "name a member of the group: the one who stands for authors that are no members, or one as an author")
	}
	id, _ := im.cfg.Channel.Group()
	who := contract.ChatsGroupRequest{User: viewer, Group: id}
	g, err := service.Call[contract.ChatsGroupReply](ctx, im.nc, subjects.ChatsGroup, who)
	if err != nil {
		return p, fmt.Errorf("group %s: %w", id, err)
	}
	p.title = fmt.Sprintf("group %q", g.Name)
	for cursor := ""; ; {
		page, err := service.Call[contract.ChatsMembersReply](ctx, im.nc, subjects.ChatsMembers,
			contract.ChatsMembersRequest{ChatsGroupRequest: who, Limit: contract.MaxPage, Cursor: cursor})
		if err != nil {
			return p, fmt.Errorf("members of group %s: %w", id, err)
		}
		for _, m := range page.Members {
			p.members[m.User.ID] = m.User
		}
		if cursor = page.Cursor; cursor == "" {
			return p, nil
		}
	}
}

// user asks for a user as they see themselves: with their phone.
func (im *Importer) user(ctx context.Context, u fabric.UserID) (fabric.User, error) {
	reply, err := service.Call[contract.UsersGetReply](ctx, im.nc, subjects.UsersGet, contract.UsersGetRequest{Viewer: u, User: u})
	if err != nil {
		return fabric.User{}, fmt.Errorf("user %s: %w", u, err)
	}
	return reply.User, nil
}

// authors tells which member each author of the chat is. Whom it can't tell has no User.
func (im *Importer) authors(ctx context.Context, c *whatsapp.Chat, p people) ([]Author, error) {
	counts := make(map[string]int)
	for _, m := range c.Messages {
		if !m.System {
			counts[m.Author]++
		}
	}
	names := c.Authors()
	if err := im.check(names, p); err != nil {
		return nil, err
	}
	byName := make(map[string][]fabric.User)
	for _, u := range p.members {
		if !u.Deleted {
			byName[u.Name] = append(byName[u.Name], u)
		}
	}
	byPhone, err := im.phones(ctx, names, p)
	if err != nil {
		return nil, err
	}
	authors := make([]Author, len(names))
	for i, name := range names {
		a := Author{Name: name, Messages: counts[name]}
		plain := strings.TrimSpace(strings.TrimPrefix(name, "~")) // who is in nobody's contacts
		if id, ok := im.cfg.As[name]; ok {
			a.is(p.members[id], ByFlag)
		} else if u, ok := byPhone[digits(name)]; ok {
			a.is(u, ByPhone)
		} else if found := byName[plain]; len(found) == 1 { // of two with one name, nobody can say who it is
			a.is(found[0], ByName)
		} else if im.cfg.From != "" {
			a.is(p.members[im.cfg.From], ByFrom)
		}
		authors[i] = a
	}
	return authors, nil
}

func (a *Author) is(u fabric.User, how string) { a.User, a.How = &u, how }

// check refuses flags that name whom there is not.
func (im *Importer) check(names []string, p people) error {
	for _, name := range slices.Sorted(maps.Keys(im.cfg.As)) {
		if !slices.Contains(names, name) {
			return fabric.Errorf(fabric.CodeBadRequest, "nobody called %q wrote in the file: it has %s", name, list(names))
		}
		if u := im.cfg.As[name]; p.members[u].ID == "" {
			return fabric.Errorf(fabric.CodeBadRequest, "%s, who is to be %q, is no member of channel %s", u, name, im.cfg.Channel)
		}
	}
	if im.cfg.From != "" && p.members[im.cfg.From].ID == "" {
		return fabric.Errorf(fabric.CodeBadRequest, "%s, who is to stand for others, is no member of channel %s", im.cfg.From, im.cfg.Channel)
	}
	return nil
}

// phones returns the members by their phones, if an author is called by one.
func (im *Importer) phones(ctx context.Context, names []string, p people) (map[string]fabric.User, error) {
	byPhone := make(map[string]fabric.User)
	called := func(name string) bool { return digits(name) != "" && im.cfg.As[name] == "" }
	if !slices.ContainsFunc(names, called) || len(p.members) > maxPhones {
		return byPhone, nil
	}
	for id, u := range p.members {
		if u.Phone == "" && !u.Deleted { // a group's list has none
			var err error
			if u, err = im.user(ctx, id); err != nil {
				return nil, err
			}
		}
		if u.Phone != "" {
			byPhone[u.Phone] = u
		}
	}
	return byPhone, nil
}

// digits returns a phone in E.164 from the way in which WhatsApp writes it, "" for what is no phone.
func digits(name string) string {
	name = strings.TrimSpace(strings.TrimPrefix(name, "~"))
	if !strings.HasPrefix(name, "+") {
		return ""
	}
	var b strings.Builder
	b.WriteByte('+')
	for _, r := range name[1:] {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case !strings.ContainsRune(" -().‑", r):
			return ""
		}
	}
	if b.Len() < 8 {
		return ""
	}
	return b.String()
}

// list shows names, bounded.
func list(names []string) string {
	const most = 20
	quoted := make([]string, min(len(names), most))
	for i := range quoted {
		quoted[i] = fmt.Sprintf("%q", names[i])
	}
	text := strings.Join(quoted, ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}
