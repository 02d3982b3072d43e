package chats

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
)

// create answers weft.chats.create.
func (r *Role) create(ctx context.Context, req contract.ChatsCreateRequest) (contract.ChatsCreateReply, error) {
	var none contract.ChatsCreateReply
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return none, err
	}
	if req.CID != "" && !fabric.ValidCID(req.CID) {
		return none, fabric.Errorf(fabric.CodeBadRequest, "cid: want a UUID in lower-case text, the client's own for this group")
	}
	g := Group{
		Channel: fabric.NewGroupID().Channel(), Name: strings.TrimSpace(req.Name), About: strings.TrimSpace(req.About), Avatar: req.Avatar,
		Settings: fabric.DefaultSettings(), CreatedAt: fabric.Millis(r.cfg.Now()), CreatedBy: u,
	}
	if req.Settings != nil {
		g.Settings = changed(g.Settings, *req.Settings)
	}
	if err := checkGroup(g); err != nil {
		return none, err
	}
	members := slices.DeleteFunc(slices.Clone(req.Members), func(m fabric.UserID) bool { return m == u })
	added, notAdded, err := r.addable(ctx, u, members)
	if err != nil {
		return none, err
	}
	crowded, err := r.store.InTooMany(ctx, []fabric.UserID{u}, contract.MaxGroups)
	if err != nil {
		return none, fmt.Errorf("groups of %s: %w", u, err)
	}
	cid := fabric.NewCID()
	c, existed, err := r.store.CreateGroup(ctx, g, req.CID, func(t GroupTx) error {
		if len(crowded) > 0 { // only here: the group that they ask for again may be the last one that they could make
			return errTooManyGroups
		}
		if err := t.Add(ctx, []fabric.UserID{u}, fabric.RoleOwner, g.CreatedAt); err != nil {
			return err
		}
		if err := t.Add(ctx, added, fabric.RoleMember, g.CreatedAt); err != nil {
			return err
		}
		all := append([]fabric.UserID{u}, added...)
		// Its name and settings first: whoever reads the log from its beginning knows what it is before who is in it. Nobody
		// has the record live: the one that makes them members comes behind it.
		settings := g.Settings
		about := fabric.GroupChange{Name: &g.Name, Settings: &settings, By: u}
		if g.About != "" {
			about.About = &g.About
		}
		if g.Avatar != "" {
			about.Avatar = &g.Avatar
		}
		if err := r.emit(ctx, t, fabric.NewCID(), u, fabric.MsgGroup, about); err != nil {
			return err
		}
		return r.emit(ctx, t, cid, u, fabric.MsgMember, fabric.MemberChange{Event: fabric.MemberCreated, Users: all, By: u},
			Told{Users: all, Change: fabric.ChannelChange{Channel: g.Channel, Change: fabric.ChangeAdded, By: u, Name: g.Name}})
	})
	if err != nil {
		return none, fmt.Errorf("create group: %w", err)
	}
	if existed {
		notAdded = nil
	} else {
		r.groups.Inc()
		if err := r.settled(ctx, cid); err != nil {
			return none, err
		}
	}
	group, err := r.view(ctx, c, u)
	return contract.ChatsCreateReply{Group: group, NotAdded: notAdded, Existed: existed}, err
}

var errTooManyGroups = fabric.Errorf(fabric.CodeConflict, "you are in %d groups, which is the most: leave one first", contract.MaxGroups)

// emit writes a record of the group into its outbox.
func (r *Role) emit(ctx context.Context, t GroupTx, cid string, by fabric.UserID, kind string, body any, told ...Told) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	c := t.Group().Channel
	return t.Emit(ctx, Record{CID: cid, Channel: c, After: r.reached.of(c), From: by, Kind: kind, Body: data, Told: told})
}

// changed returns settings with a change made to them.
func changed(s fabric.Settings, c contract.SettingsChange) fabric.Settings {
	set(&s.Send, c.Send)
	set(&s.Change, c.Change)
	set(&s.History, c.History)
	set(&s.Join, c.Join)
	set(&s.Disappear, c.Disappear)
	return s
}

func set[T any](v, to *T) {
	if to != nil {
		*v = *to
	}
}

// checkGroup refuses what can't be a group's name, text, picture or settings.
func checkGroup(g Group) error {
	if g.Name == "" {
		return fabric.Errorf(fabric.CodeBadRequest, "name: want at least one character")
	}
	if err := text("name", g.Name, contract.MaxGroupName, false); err != nil {
		return err
	}
	if err := text("about", g.About, contract.MaxAbout, true); err != nil {
		return err
	}
	if err := avatar(g.Avatar); err != nil {
		return err
	}
	return g.Settings.Validate()
}

// text checks what a person wrote: so many bytes of text, with line feeds only where they belong.
func text(field, s string, most int, lines bool) error {
	if len(s) > most {
		return fabric.Errorf(fabric.CodeBadRequest, "%s: want at most %d bytes, got %d", field, most, len(s))
	}
	if !utf8.ValidString(s) {
		return fabric.Errorf(fabric.CodeBadRequest, "%s: want text in UTF-8", field)
	}
	for _, c := range s {
		if (c < ' ' || c == 0x7f) && (!lines || c != '\n') {
			return fabric.Errorf(fabric.CodeBadRequest, "%s: want text without control characters", field)
		}
	}
	return nil
}

// avatar checks the id of a picture: its SHA-256.
func avatar(id string) error {
	if b, err := hex.DecodeString(id); id != "" && (err != nil || len(b) != 32 || strings.ToLower(id) != id) {
		return fabric.Errorf(fabric.CodeBadRequest, "avatar: want the id of an uploaded picture, or none")
	}
	return nil
}

// view returns a group as its member u sees it.
func (r *Role) view(ctx context.Context, c fabric.ChannelID, u fabric.UserID) (contract.Group, error) {
	m, err := r.memberOf(ctx, c, u)
	if err != nil {
		return contract.Group{}, err
	}
	g, err := r.store.Group(ctx, c)
	if err != nil {
		return contract.Group{}, fmt.Errorf("group %s: %w", c, err)
	}
	return groupView(g, m.Role), nil
}

func groupView(g Group, role fabric.Role) contract.Group {
	id, _ := g.Channel.Group() // the database has no others
	return contract.Group{
		ID: id, Channel: g.Channel, Name: g.Name, About: g.About, Avatar: g.Avatar, Settings: g.Settings,
		CreatedAt: g.CreatedAt, CreatedBy: g.CreatedBy, Members: g.Members, Role: role,
	}
}

// notMember is what whoever is no member of a group hears, whether there is one or not.
func notMember(c fabric.ChannelID) error {
	return fabric.Errorf(fabric.CodeForbidden, "you are not a member of channel %s", c)
}

func (r *Role) memberOf(ctx context.Context, c fabric.ChannelID, u fabric.UserID) (Member, error) {
	m, ok, err := r.store.Member(ctx, c, u)
	if err != nil {
		return m, fmt.Errorf("member of %s: %w", c, err)
	}
	if !ok {
		return m, notMember(c)
	}
	return m, nil
}

// who checks the two ids of a request about a group.
func who(req contract.ChatsGroupRequest) (fabric.UserID, fabric.ChannelID, error) {
	u, err := fabric.ParseUserID(string(req.User))
	if err != nil {
		return "", "", err
	}
	g, err := fabric.ParseGroupID(string(req.Group))
	if err != nil {
		return "", "", err
	}
	return u, g.Channel(), nil
}

// group answers weft.chats.group.
func (r *Role) group(ctx context.Context, req contract.ChatsGroupRequest) (contract.ChatsGroupReply, error) {
	u, c, err := who(req)
	if err != nil {
		return contract.ChatsGroupReply{}, err
	}
	g, err := r.view(ctx, c, u)
	return contract.ChatsGroupReply{Group: g}, err
}

// change answers weft.chats.change.
func (r *Role) change(ctx context.Context, req contract.ChatsChangeRequest) (contract.ChatsGroupReply, error) {
	var none contract.ChatsGroupReply
	u, c, err := who(req.ChatsGroupRequest)
	if err != nil {
		return none, err
	}
	cid, written := fabric.NewCID(), false
	err = r.store.InGroup(ctx, c, func(t GroupTx) error {
		written = false
		me, err := memberIn(ctx, t, u)
		if err != nil {
			return err
		}
		was := t.Group()
		g, change := was, fabric.GroupChange{By: u}
		if req.Name != nil {
			if g.Name = strings.TrimSpace(*req.Name); g.Name != was.Name {
				change.Name = &g.Name
			}
		}
		if req.About != nil {
			if g.About = strings.TrimSpace(*req.About); g.About != was.About {
				change.About = &g.About
			}
		}
		if req.Avatar != nil {
			if g.Avatar = *req.Avatar; g.Avatar != was.Avatar {
				change.Avatar = &g.Avatar
			}
		}
		if req.Settings != nil {
			if g.Settings = changed(was.Settings, *req.Settings); g.Settings != was.Settings {
				change.Settings = &g.Settings
			}
		}
		// What was asked counts, not what it changes: who may not is not told what is so already.
		if req.Name != nil || req.About != nil || req.Avatar != nil {
			if err := may(me.Role, actChange, was.Settings); err != nil {
				return err
			}
		}
		if req.Settings != nil {
			if err := may(me.Role, actSettings, was.Settings); err != nil {
				return err
			}
		}
		if err := checkGroup(g); err != nil {
			return err
		}
		if change == (fabric.GroupChange{By: u}) {
			return nil
		}
		if err := t.Update(ctx, g); err != nil {
			return err
		}
		written = true
		return r.emit(ctx, t, cid, u, fabric.MsgGroup, change)
	})
	if err != nil {
		return none, hide(c, err)
	}
	if written {
		if err := r.settled(ctx, cid); err != nil {
			return none, err
		}
	}
	g, err := r.view(ctx, c, u)
	return contract.ChatsGroupReply{Group: g}, err
}

// memberIn returns u's membership in a transaction's group.
func memberIn(ctx context.Context, t GroupTx, u fabric.UserID) (Member, error) {
	members, err := t.Members(ctx, []fabric.UserID{u})
	if err != nil {
		return Member{}, err
	}
	m, ok := members[u]
	if !ok {
		return Member{}, notMember(t.Group().Channel)
	}
	return m, nil
}

// hide makes a group that does not exist look like one that one is not in: ids tell nothing to those outside.
func hide(c fabric.ChannelID, err error) error {
	if fabric.CodeOf(err) == fabric.CodeNotFound {
		return notMember(c)
	}
	return err
}
