package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/weft-im/weft/contract"
	"github.com/weft-im/weft/fabric"
	"github.com/weft-im/weft/subjects"
)

// userCmd finds users, ends their sessions and deletes them.
type userCmd struct {
	Ls      userLsCmd      `cmd:"" aliases:"find" help:"List users, newest first, or find some."`
	Show    userShowCmd    `cmd:"" help:"Show a user: how many chats, contacts and blocks, their devices, and where they are connected."`
	SignOut userSignOutCmd `cmd:"" help:"End a user's sessions and tokens, on all devices or one. They may sign in again."`
	Delete  userDeleteCmd  `cmd:"" help:"Delete an account, as its owner would: what they wrote to others stays, by a deleted account."`
}

type userLsCmd struct {
	controlFlags
	outputFlags

	Query  string `arg:"" optional:"" help:"An id, a phone with its country code, or a part of a name." placeholder:"QUERY"`
	Before string `help:"Go on behind this id." placeholder:"ID"`
	Limit  int    `default:"50" help:"How many at most, up to 500." placeholder:"N"`
}

// Run lists.
func (c *userLsCmd) Run(ctx context.Context) error {
	reply, err := request[contract.UsersFindReply](ctx, c.controlFlags, subjects.UsersFind,
		contract.UsersFindRequest{Query: c.Query, Before: fabric.UserID(c.Before), Limit: c.Limit})
	if err != nil {
		return err
	}
	return c.print(reply, func(w *tabwriter.Writer) {
		fmt.Fprintln(w, "USER\tNAME\tPHONE\tDEVICES\tSINCE\t")
		for _, a := range reply.Users {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\n", a.ID, a.Name, a.Phone, a.Devices, at(a.CreatedAt), kind(a))
		}
		if reply.More {
			fmt.Fprintf(w, "There are more: --before %s\n", reply.Users[len(reply.Users)-1].ID)
		}
	})
}

// kind says what an account is, where it is not a person's.
func kind(a contract.Account) string {
	switch {
	case a.Deleted:
		return "deleted"
	case a.Service != "":
		return "service " + a.Service
	}
	return ""
}

// userArg names one user.
type userArg struct {
	User string `arg:"" help:"An id, a phone with its country code, or a part of a name that only they have." placeholder:"USER"`
}

// one returns the user that the argument names; there must be one, and no other.
func (a userArg) one(ctx context.Context, f controlFlags) (fabric.UserID, error) {
	reply, err := request[contract.UsersFindReply](ctx, f, subjects.UsersFind, contract.UsersFindRequest{Query: a.User, Limit: 2})
	switch {
	case err != nil:
		return "", err
	case a.User == "" || len(reply.Users) == 0:
		return "", fmt.Errorf("there is no user %q", a.User)
	case len(reply.Users) > 1:
		return "", fmt.Errorf("there are several users %q: `weft user ls` lists them, an id is one's alone", a.User)
	}
	return reply.Users[0].ID, nil
}

type userShowCmd struct {
	controlFlags
	outputFlags
	userArg
}

// Run shows a user and where they are connected.
func (c *userShowCmd) Run(ctx context.Context) error {
	id, err := c.one(ctx, c.controlFlags)
	if err != nil {
		return err
	}
	u, err := request[contract.UsersShowReply](ctx, c.controlFlags, subjects.UsersShow, contract.UsersShowRequest{User: id})
	if err != nil {
		return err
	}
	sessions, err := c.sessions(ctx, "", id)
	if err != nil {
		return err
	}
	return c.print(struct {
		contract.UsersShowReply
		Sessions []edgeSession `json:"sessions"`
	}{u, sessions}, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "user\t%s\t%s\nname\t%s\nphone\t%s\nsince\t%s\n", u.ID, kind(u.Account), u.Name, u.Phone, at(u.CreatedAt))
		fmt.Fprintf(w, "chats\t%d direct, %d groups\ncontacts\t%d\nblocks\t%d, and %d have blocked them\n\n", u.Direct, u.Groups, u.Contacts, u.Blocks, u.Blocked)
		fmt.Fprintln(w, "DEVICE\tNAME\tPLATFORM\tSINCE\tTOKENS RENEWED")
		for _, d := range u.SignedIn {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", d.ID, d.Name, d.Platform, at(d.CreatedAt), at(d.SeenAt))
		}
		fmt.Fprintln(w)
		tellSessions(w, sessions)
	})
}

// exactUserArg names one user for good: a part of a name may be another's tomorrow.
type exactUserArg struct {
	User string `arg:"" help:"An id, or a phone with its country code." placeholder:"USER"`
}

func (a exactUserArg) one(ctx context.Context, f controlFlags) (fabric.UserID, error) {
	if _, err := fabric.ParseUserID(a.User); err != nil && !strings.HasPrefix(a.User, "+") {
		return "", fmt.Errorf("%q is no id and no phone as in +49…: `weft user ls` finds users by their names", a.User)
	}
	return userArg(a).one(ctx, f)
}

type userSignOutCmd struct {
	controlFlags
	outputFlags
	exactUserArg

	Device string `help:"Only this device." placeholder:"ID"`
}

// Run signs out.
func (c *userSignOutCmd) Run(ctx context.Context) error {
	id, err := c.one(ctx, c.controlFlags)
	if err != nil {
		return err
	}
	reply, err := request[contract.UsersSignOutReply](ctx, c.controlFlags, subjects.UsersSignOut,
		contract.UsersSignOutRequest{User: id, Device: fabric.DeviceID(c.Device), By: operator()})
	if err != nil {
		return err
	}
	return c.print(reply, func(w *tabwriter.Writer) {
		fmt.Fprintf(w, "%d device(s) of %s are signed out.\n", len(reply.Devices), id)
	})
}

type userDeleteCmd struct {
	controlFlags
	outputFlags
	exactUserArg

	Yes bool `help:"It can't be undone: say so."`
}

// Run deletes.
func (c *userDeleteCmd) Run(ctx context.Context) error {
	id, err := c.one(ctx, c.controlFlags)
	if err != nil {
		return err
	}
	if !c.Yes {
		return errors.New("deleting " + string(id) + " can't be undone: say --yes")
	}
	if _, err := request[struct{}](ctx, c.controlFlags, subjects.UsersErase, contract.UsersEraseRequest{User: id, By: operator()}); err != nil {
		return err
	}
	return c.print(map[string]fabric.UserID{"deleted": id}, func(w *tabwriter.Writer) { fmt.Fprintf(w, "User %s is deleted.\n", id) })
}
